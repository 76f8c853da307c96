"""The pages are whole: links lead somewhere, and no command, tool or file is left out."""

import re
import runpy
import subprocess
import sys

import pytest
from documentation.groups import ELSEWHERE, FIRST, OTHER_MODELS, OWN_CLIPS, PARSED, TAKE_LONG
from documentation.pages import BLOCKS, COMMANDS, PAGES, ROOT

A_COMMAND = re.compile(r"(\w+=\S+ )?(python|torchrun|pip|make|mkdocs) ")


def test_no_command_is_left_out():
    """Whatever looks like a command is in a bash block, where the tests above find it."""
    for page, language, block in BLOCKS:
        for line in block.splitlines():
            if language == "bash":
                assert A_COMMAND.match(line), f"{page}: not a command: {line}"
            else:
                in_docstring = language == "python"
                assert in_docstring or not A_COMMAND.match(line), f"{page}: not in bash: {line}"
    texts = [*COMMANDS, *(block for _, _, block in BLOCKS)]
    for part in [*OWN_CLIPS, *FIRST, *TAKE_LONG, *OTHER_MODELS, *PARSED, *ELSEWHERE]:
        assert any(part in text for text in texts), f"{part!r} is in no page any more"


def test_all_tools_are_named():
    tools = {path.name for path in (ROOT / "tools").glob("*.py")}
    assert {name for name in tools if any(name in command for command in COMMANDS)} == tools


def test_the_readme_is_one_page():
    assert len(PAGES["README.md"].splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    text = re.sub(r"^```.*?^```", "", PAGES[page], flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), f"{page} links to {target}"


@pytest.mark.parametrize("page", ["docs/extending.md", "docs/recipes/foundation.md"])
def test_examples_are_shown_by_their_file(page):
    """In this form ruff does not take the marker for a comparison, and change it."""
    shown = re.findall(r"^```python\n--8<--\n(.+)\n--8<--\n```$", PAGES[page], re.M)
    assert shown and all((ROOT / file).is_file() for file in shown)
    assert not re.search(r"^--8 ", PAGES[page], re.M)


def test_the_file_layout_names_every_file():
    tree = runpy.run_path(str(ROOT / "docs" / "hooks.py"))["file_tree"]()
    sections = dict(re.findall(r"^### (\S+)/\n(.*?)(?=^### |\Z)", tree, re.DOTALL | re.MULTILINE))
    for top in ("lgrseg", "tools", "configs"):
        for path in (ROOT / top).rglob("*.py"):
            folder = path.parent.relative_to(ROOT).as_posix()
            if path.name != "__init__.py":
                row = re.search(
                    rf"^\| `{re.escape(path.name)}` \| (.+) \|$", sections[folder], re.M
                )
                assert row, f"{path.relative_to(ROOT)} is missing, or has no docstring"


@pytest.mark.slow
def test_the_documentation_builds(tmp_path):
    pytest.importorskip("mkdocs", reason="pip install '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    page = (tmp_path / "site" / "reference" / "lgrseg.engine" / "index.html").read_text()
    assert "DefaultTrainer" in page
    assert (tmp_path / "site" / "assets" / "phantom.png").is_file()
