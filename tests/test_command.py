"""lgrseg/command.py: every tool by a short name and by the name of its file."""

import re
from pathlib import Path

import pytest
from forked import run_script

from lgrseg.command import SHORT_NAMES, describe_commands, tool_files

ROOT = Path(__file__).parents[1]


def lgrseg(*words):
    return run_script(ROOT / "lgrseg" / "__main__.py", words)


def test_every_tool_has_a_command_with_its_first_sentence():
    tools = {path.stem for path in (ROOT / "tools").glob("*.py")}
    assert set(tool_files()) == tools and {words[0] for words in SHORT_NAMES.values()} <= tools
    lines = describe_commands().splitlines()
    assert lines[4].split()[:4] == ["predict", "Segment", "and", "measure"]
    starts = {len(re.match(r" +\S+ +", line)[0]) for line in lines[2:]}
    assert starts == {22}  # two columns, of which the first fits "pretraining-tables"
    assert all(len(line.split()) > 3 for line in lines[2:])


def test_help_version_and_misspelling():
    shown = lgrseg()
    assert shown.returncode == 0 and "compare-runs" in shown.stdout
    assert lgrseg("--version").stdout.strip() == "0.1.0"
    wrong = lgrseg("pedict")
    assert wrong.returncode == 2 and "no command 'pedict'; did you mean 'predict'?" in wrong.stderr


@pytest.mark.parametrize("name", ["compare-runs", "compare_runs"])
def test_arguments_and_status_are_those_of_the_tool(name, tmp_path):
    done = lgrseg(name, str(tmp_path), str(tmp_path))
    assert done.returncode == 1 and "holds no eval/<dataset>/results.json" in done.stderr
