"""Build the pages of the documentation that follow from the code, whenever mkdocs runs.

- reference/: one page a package, with the docstrings of all its modules (by mkdocstrings), and one
  page with the help texts of all commands.
- layout.md: the first line of every module's docstring, at the marker `<!-- file tree -->`.
- README.md and other files outside docs/, as pages; the pictures of assets/.

Links that leave docs/, such as `../assets/phantom.png`, work on a code host and on the built site.
"""

import ast
import html
import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
TREE_MARKER = "<!-- file tree -->"
INCLUDED = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "datasets/README.md": "datasets.md",
}
"""Files of the repository that are pages of the site."""
COMMANDS = "reference/commands.md"
COPIED = {"LICENSE": "LICENSE.txt", "CITATION.cff": "CITATION.cff"}
"""Files of the repository that the site offers as they are."""


def on_config(config):
    """List the generated reference pages in the navigation."""
    pages = [{name: page_of(name)} for name in packages()]
    for entry in config.nav:
        if "Reference" in entry:
            entry["Reference"] = ["reference/index.md", COMMANDS, {"Packages": pages}]
    return config


def on_files(files, config):
    """Add the reference pages and the pictures to the site."""
    from mkdocs.structure.files import File

    pages = {page_of(name): reference_page(name) for name in packages()}
    pages[COMMANDS] = commands_page()
    for uri, text in pages.items():
        files.append(File.generated(config, uri, content=text))
    pictures = {f"assets/{path.name}": path for path in sorted((ROOT / "assets").glob("*.png"))}
    copies = {uri: ROOT / source for source, uri in COPIED.items()}
    for uri, path in {**pictures, **copies}.items():
        files.append(File.generated(config, uri, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Insert included files and the file tree, and point links out of docs/ to pages."""
    uri = page.file.src_uri
    sources = {page: source for source, page in INCLUDED.items()}
    if uri in sources:
        included = (ROOT / sources[uri]).read_text(encoding="utf-8")
        return site_links(included, PurePosixPath(sources[uri]), uri)
    if TREE_MARKER in markdown:
        markdown = markdown.replace(TREE_MARKER, file_tree())
    return site_links(markdown, PurePosixPath("docs", uri), uri)


def site_links(markdown: str, source: PurePosixPath, uri: str) -> str:
    """Links and pictures of a file of the repository, as they must be on the page made of it.

    Args:
        markdown: text of the file.
        source: path of the file within the repository.
        uri: page that the text is shown on.
    """

    def replace(match: re.Match) -> str:
        target, anchor = match[1], match[2] or ""
        path = os.path.normpath(source.parent / target)
        page = {**INCLUDED, **COPIED}.get(path, path.removeprefix("docs/"))
        return f"]({os.path.relpath(page, PurePosixPath(uri).parent)}{anchor})"

    return re.sub(r"\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)", replace, markdown)


def packages() -> list[str]:
    """Dotted names of all packages of lgrseg, the whole first."""
    folders = sorted(path.parent for path in (ROOT / "lgrseg").rglob("__init__.py"))
    return [".".join(folder.relative_to(ROOT).parts) for folder in folders]


def page_of(package: str) -> str:
    """The page of the reference for a package."""
    return f"reference/{package}.md"


def reference_page(package: str) -> str:
    """Directives that show the package and each of its modules."""
    folder = ROOT.joinpath(*package.split("."))
    modules = [f"{package}.{path.stem}" for path in modules_in(folder)]
    directives = [
        f"::: {package}\n    options:\n      members: false\n      show_root_heading: false\n"
    ]
    directives += [f"::: {module}\n" for module in modules]
    return f"# {package}\n\n" + "\n".join(directives)


def commands_page() -> str:
    """The docstrings of tools/, which are the beginnings of their help texts."""
    parts = ["# Commands\n\nEvery command explains all of its options with `--help`.\n"]
    for path in modules_in(ROOT / "tools"):
        parts.append(f"## {path.stem}\n\n```text\n{docstring_of(path)}\n```\n")
    return "\n".join(parts)


def modules_in(folder: Path) -> Iterator[Path]:
    """The Python files of a folder, without the package's own."""
    return (path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py")


def file_tree() -> str:
    """One table a folder of Python files: each file, and the first line of its docstring."""
    folders = [ROOT.joinpath(*name.split(".")) for name in packages()]
    folders += [ROOT / "tools"]
    folders += sorted({path.parent for path in (ROOT / "configs").rglob("*.py")})
    return "\n".join(_table(folder) for folder in folders)


def _table(folder: Path) -> str:
    rows = [f"| `{path.name}` | {first_line(path)} |" for path in modules_in(folder)]
    lines = [f"### {folder.relative_to(ROOT).as_posix()}/", ""]
    if (folder / "__init__.py").is_file():
        lines += [first_line(folder / "__init__.py"), ""]
    if rows:
        lines += ["| file | what it holds |", "|---|---|", *rows, ""]
    return "\n".join(lines)


def first_line(path: Path) -> str:
    """The first sentence of a module's docstring, safe inside a Markdown table."""
    paragraph = " ".join(docstring_of(path).split("\n\n")[0].split())
    return html.escape(paragraph, quote=False).replace("|", "\\|").replace("*", "\\*")


def docstring_of(path: Path) -> str:
    """The docstring of a module, which is not imported; empty without one."""
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
