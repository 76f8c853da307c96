"""deploy/: files are well formed, and every command, setting, path and call in them exists."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lgrseg.command import tool_files
from lgrseg.serve import routes_ops
from lgrseg.serve.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
CONTAINER = (DEPLOY / "Containerfile").read_text().replace("\\\n", " ")
UNIT = (DEPLOY / "lgrseg.service").read_text()
CALLS = {route.path for route in routes_ops.router.routes}


def options_of(words, monkeypatch):
    """What `lgrseg serve` makes of its words."""
    program, command, *arguments = words
    assert Path(program).name == "lgrseg" and command == "serve"
    monkeypatch.setattr(sys, "argv", ["serve", *arguments])
    monkeypatch.syspath_prepend(str(tool_files()["serve"].parent))
    import serve

    return serve.parse_arguments()


def test_command_of_the_container(monkeypatch):
    start, words = (
        yaml.safe_load(re.search(rf"^{kind} (\[.*\])$", CONTAINER, re.M)[1])
        for kind in ("ENTRYPOINT", "CMD")
    )
    options = options_of([*start, *words], monkeypatch)
    secret = COMPOSE["secrets"]["token"]["file"]
    assert (
        options.host == "0.0.0.0" and str(options.token_file) == f"/run/secrets/{Path(secret).stem}"
    )
    assert f"EXPOSE {Settings().port}" in CONTAINER
    for variable in re.findall(rf"{PREFIX}\w+", CONTAINER):
        assert variable.removeprefix(PREFIX).lower() in Settings.model_fields


def test_what_the_container_copies_is_there_and_is_sent():
    sent = (ROOT / ".dockerignore").read_text().splitlines()
    for names in re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINER, re.M):
        for name in names.split():
            assert (ROOT / name).exists() and f"!{name}" in sent
    extras = re.search(r"/source\[(.*)\]", CONTAINER)[1].split(",")
    setup = (ROOT / "setup.py").read_text()
    assert all(f'"{extra}": ' in setup for extra in extras)
    assert re.search("^torch==", (ROOT / "constraints.txt").read_text(), re.M)


def test_compose():
    service = COMPOSE["services"]["lgrseg"]
    build = service["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
    assert all(f"ARG {name}" in CONTAINER for name in build["args"])
    for variable in service["environment"]:
        assert variable.removeprefix(PREFIX).lower() in Settings.model_fields
    assert service["ports"] == [f"127.0.0.1:{Settings().port}:{Settings().port}"]
    (check,) = (word for word in service["healthcheck"]["test"] if "http" in word)
    compile(check, "healthcheck", "exec")
    assert re.search(r":8321(/\w+)'", check)[1] in CALLS
    for part in COMPOSE["services"].values():
        assert set(part.get("secrets", ())) <= set(COMPOSE["secrets"])
        for volume in part["volumes"]:
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (DEPLOY / source).is_file()


def test_prometheus_may_call_the_service():
    (job,) = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    name, _, port = target.partition(":")
    assert name in COMPOSE["services"] and int(port) == Settings().port
    hosts = COMPOSE["services"]["lgrseg"]["environment"]["LGRSEG_SERVE_HOSTS"]
    assert name in re.search(":-(.*)}", hosts)[1].split(",")
    assert job["metrics_path"] in CALLS
    assert job["authorization"]["credentials_file"] == "/run/secrets/token"


def test_unit(monkeypatch, tmp_path):
    command = re.search("^ExecStart=(.*)$", UNIT, re.M)[1]
    options = options_of(shlex.split(command), monkeypatch)
    assert str(options.data) == "/var/lib/lgrseg"
    assert options.token_file.name == re.search("^LoadCredential=(.*):", UNIT, re.M)[1]
    if not (analyze := shutil.which("systemd-analyze")):
        pytest.skip("there is no systemd-analyze")
    unit = tmp_path / "lgrseg.service"  # verify wants a program that is there
    unit.write_text(UNIT.replace(shlex.split(command)[0], sys.executable))
    result = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True)
    assert result.returncode == 0 and not result.stderr, result.stderr
