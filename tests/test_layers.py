"""Packages stand on floors: what a file imports, anywhere in it, lies below its own package."""

import ast
import functools
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = [
    {"ops", "config", "comm", "failures", "lazy_names", "typed_command"},
    {"checkpoint", "structures"},
    {"layers", "data", "client"},
    {"modeling", "evaluation"},
    {"visualization"},
    {"inference"},
    {"engine", "batch", "pacs", "serve"},
    {"reporting"},
    {"studies"},
    {"command"},
    {"__main__"},
]
"""From the ground up; packages of one floor do not import each other."""
FLOOR_OF = {package: number for number, floor in enumerate(FLOORS) for package in floor}
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "lgrseg").rglob("*.py")
}


def imports_of(path: Path) -> set[str]:
    """The modules of the project that a file imports, in functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports are for configs"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in FILES else str(node.module) for name in names}
    return {name for name in found if name in FILES and name != "lgrseg"}


@functools.cache
def all_imports() -> dict[str, set[str]]:
    """Module -> the modules that it imports."""
    return {name: imports_of(path) for name, path in FILES.items()}


def package_of(module: str) -> str:
    return module.split(".")[1]


def test_every_package_has_a_floor():
    assert {package_of(name) for name in FILES if name != "lgrseg"} == set(FLOOR_OF)


@pytest.mark.parametrize("package", sorted(FLOOR_OF))
def test_a_package_imports_what_lies_below_it(package):
    upward = [
        f"{module} imports {imported}"
        for module, names in all_imports().items()
        if module != "lgrseg" and package_of(module) == package
        for imported in names
        if package_of(imported) != package and FLOOR_OF[package_of(imported)] >= FLOOR_OF[package]
    ]
    assert not upward


def test_no_module_imports_itself_by_way_of_others():
    """Faces of packages (`__init__.py`) stand for what they show, so they are left out."""
    faces = {name for name, path in FILES.items() if path.name == "__init__.py"}
    below = {name: names - faces for name, names in all_imports().items() if name not in faces}
    done, path, circles = set(), [], []

    def visit(name):
        if name in path:
            circles.append(" -> ".join([*path[path.index(name) :], name]))
        elif name not in done:
            path.append(name)
            for imported in sorted(below[name]):
                visit(imported)
            done.add(path.pop())

    for name in below:
        visit(name)
    assert len(done) > 200 and not circles


def test_the_picture_of_imports(capsys):
    """Shown by `pytest tests/test_layers.py -k picture -s`: each package, and what it imports."""
    arrows = defaultdict(set)
    for module, names in all_imports().items():
        if module != "lgrseg":
            arrows[package_of(module)] |= {package_of(name) for name in names}
    for number in range(len(FLOORS) - 1, -1, -1):
        for package in sorted(FLOORS[number]):
            below = ", ".join(sorted(arrows[package] - {package})) or "nothing of the project"
            print(f"{number + 1}  {package:<14} imports {below}")
    assert "9  studies" in capsys.readouterr().out
