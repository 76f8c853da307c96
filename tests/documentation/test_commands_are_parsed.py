"""A command that cannot run here, or takes long, is parsed by its tool; its config is loaded."""

import argparse
import runpy
import shlex
import sys

import pytest
from documentation.groups import OTHER_MODELS, PARSED, which
from documentation.pages import ROOT

from lgrseg.config import load_config


class Parsed(Exception):
    """Raised in a tool as soon as its words are parsed."""


@pytest.mark.parametrize("command", which(PARSED, OTHER_MODELS))
def test_command_is_parsed(command, monkeypatch):
    words = shlex.split(command)
    words = words[words.index("python") + 1 :]
    for name in ("parse_args", "parse_intermixed_args"):
        monkeypatch.setattr(argparse.ArgumentParser, name, _stopping(name))
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    with pytest.raises(Parsed) as caught:
        runpy.run_path(str(ROOT / words[0]), run_name="__main__")
    (parsed,) = caught.value.args
    if hasattr(parsed, "config_file"):
        overrides = getattr(parsed, "overrides", ())
        load_config(ROOT / parsed.config_file, overrides)  # each key is known


def _stopping(name):
    parse = getattr(argparse.ArgumentParser, name)

    def stop(*arguments, **settings):
        raise Parsed(parse(*arguments, **settings))

    return stop
