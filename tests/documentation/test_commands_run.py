"""Every command of the documentation that is short runs as it is written; long ones, `-m slow`.

What is appended to a command only makes it short.
"""

import pytest
from documentation.groups import APART, TAKE_LONG
from documentation.pages import BLOCKS, COMMANDS
from documentation.project_folder import run, shortened


def _parameter(command):
    slow = any(part in command for part in TAKE_LONG)
    return pytest.param(command, marks=pytest.mark.slow if slow else (), id=command[:100])


@pytest.mark.parametrize("command", map(_parameter, [c for c in COMMANDS if c not in APART]))
def test_command(place, command):
    result = run(place, shortened(command))
    assert result.returncode == 0, result.stderr


def test_python_of_the_readme(place):
    blocks = [block for page, lang, block in BLOCKS if (page, lang) == ("README.md", "python")]
    assert blocks
    for number, block in enumerate(blocks):
        script = place / f"readme_{number}.py"
        script.write_text(block)
        result = run(place, f"python {script.name}")
        assert result.returncode == 0, result.stderr
