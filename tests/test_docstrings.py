"""The arguments in docstrings are described by noun phrases, which can be read on their own."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FRAGMENT = re.compile(r"(of|that|to|from|for|in|by|which|where|as|with|likewise)\b", re.IGNORECASE)
ENTRY = re.compile(r" {4}\*{0,2}(\w+)(?: \(.*?\))?: *(.*)")


def fragments(source: str) -> list[str]:
    """The entries below `Args:` that begin in the middle of a phrase, as "line name: text"."""
    entries = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        _, _, arguments = (ast.get_docstring(node) or "").partition("Args:\n")
        for line in arguments.partition("\n\n")[0].splitlines():
            if (entry := ENTRY.match(line)) and FRAGMENT.match(entry[2]):
                entries.append(f"{node.lineno} {entry[1]}: {entry[2]}")
    return entries


@pytest.mark.parametrize("folder", ["lgrseg", "tools"])
def test_arguments_are_described_by_noun_phrases(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    wrong = {str(f.relative_to(ROOT)): fragments(f.read_text(encoding="utf-8")) for f in files}
    assert {file: entries for file, entries in wrong.items() if entries} == {}


def test_a_fragment_is_found():
    source = '''
def f(a, b, c):
    """Do it.

    Args:
        a: of the model.
        b: masks of the
            model.
        c: for nothing.

    Returns:
        x: of the result.
    """
'''
    assert fragments(source) == ["2 a: of the model.", "2 c: for nothing."]
