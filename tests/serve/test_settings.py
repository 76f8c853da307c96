"""Settings come from options, then from the environment; a token guards other addresses."""

import hashlib
import os

import pytest

from lgrseg.serve.settings import LOCAL_HOSTS, Settings, names_of

TOKEN = "0123456789abcdef"


def test_options_come_before_the_environment():
    environment = {"LGRSEG_SERVE_PORT": "1", "LGRSEG_SERVE_KEEP_DAYS": "0.5", "OTHER": "x"}
    settings = Settings.of({"port": 2, "run": None}, environment)
    assert (settings.port, settings.keep_days, settings.run) == (2, 0.5, ())
    with pytest.raises(ValueError, match="kep_days"):
        Settings.of({}, {"LGRSEG_SERVE_KEP_DAYS": "1"})


def test_other_addresses_need_a_token():
    for host in ("0.0.0.0", "192.168.1.2", "::", "my-server"):
        with pytest.raises(ValueError, match="a token is needed"):
            Settings.of({"host": host}, {})
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        assert Settings.of({"host": host}, {}).allowed_hosts == LOCAL_HOSTS
    settings = Settings.of({"host": "0.0.0.0"}, {"LGRSEG_SERVE_TOKEN": TOKEN})
    assert settings.token_hashes == (hashlib.sha256(TOKEN.encode()).hexdigest(),)
    assert settings.allowed_hosts == ("*",) and TOKEN not in settings.model_dump_json()
    with pytest.raises(ValueError, match="15 characters can be guessed"):
        Settings.of({}, {"LGRSEG_SERVE_TOKEN": TOKEN[1:]})


def test_names_of_runs_are_the_ends_of_their_paths():
    runs = ("/x/a/seed_0", "/x/b/seed_0", "/x/b/other", "/x/b/../b/other")
    names = ["a/seed_0", "b/seed_0", "other", "other"]
    assert list(names_of(runs).values()) == names
    assert list(names_of(["/a", "/b/a"]).values()) == ["/a", "b/a"]
    settings = Settings.of({"box_run": "/y/other"}, {"LGRSEG_SERVE_RUN": os.pathsep.join(runs)})
    assert list(settings.models) == ["a/seed_0", "b/seed_0", "b/other"]
    assert settings.box_model == "y/other"
    assert Settings.of({"run": runs[:1], "box_run": runs[0]}, {}).box_model == "seed_0"
    assert list(Settings().models) == ["apical_simulated"]


def test_a_link_to_a_run_is_followed_once(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    link = tmp_path / "newest"
    link.symlink_to("old")
    settings = Settings(run=(str(link),))
    link.unlink()
    link.symlink_to("new")
    assert settings.models == {"old": str(tmp_path.resolve() / "old")}
