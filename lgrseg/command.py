"""The console command: `lgrseg train ...` is tools/train_net.py, and so on for every tool.

    lgrseg train --config-file configs/lgrnet/demo.py
    lgrseg predict --run output/demo --input CLIP --output output/predictions
    python -m lgrseg evaluate --config-file output/demo/config.yaml

The tools lie in the installed package, or beside it in a checkout. Each is also known by the name
of its file, so a tool that is added needs nothing here.
"""

import ast
import runpy
import sys
from pathlib import Path

import lgrseg
from lgrseg import typed_command
from lgrseg.config.suggestions import did_you_mean

SHORT_NAMES = {
    "train": ("train_net",),
    "evaluate": ("train_net", "--eval-only"),
    "predict": ("predict",),
    "prepare": ("prepare_dataset",),
    "compare": ("compare_backbones",),
    "compare-runs": ("compare_runs",),
    "benchmark": ("benchmark",),
    "analyze": ("analyze_model",),
    "ablation": ("ablation",),
    "cross-validate": ("cross_validate",),
    "export": ("export_weights",),
    "features": ("visualize_features",),
    "table": ("results_table",),
    "curves": ("plot_curves",),
}
"""Command -> its tool, and the options that it begins with."""


def main() -> int:
    """Run the tool that the first word names, with the other words as its arguments."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(describe_commands())
        return 0
    if name == "--version":
        print(lgrseg.__version__)
        return 0
    tools = tool_files()
    tool, *options = SHORT_NAMES.get(name, (name.replace("-", "_"),))
    if tool not in tools:
        names = [*SHORT_NAMES, *tools]
        print(
            f"error: there is no command {name!r}{did_you_mean(name, names)}; lgrseg --help lists "
            "all",
            file=sys.stderr,
        )
        return 2
    by_module = Path(sys.argv[0]).name == "__main__.py"
    start = [Path(sys.executable).name, "-m", "lgrseg"] if by_module else ["lgrseg"]
    typed_command.words = [*start, name, *arguments]
    sys.argv = [str(tools[tool]), *options, *arguments]
    runpy.run_path(sys.argv[0], run_name="__main__")  # it ends this process with its exit status
    return 0


def tool_files() -> dict[str, Path]:
    """Name -> file of every tool: of the installed package, or of a checkout."""
    home = Path(lgrseg.__file__).parent
    installed = home / "tools"
    folder = installed if installed.is_dir() else home.parent / "tools"
    return {file.stem: file for file in sorted(folder.glob("*.py")) if file.stem != "__init__"}


def describe_commands() -> str:
    """What `lgrseg --help` prints: every command with the first sentence of its tool."""
    tools = tool_files()
    commands = {name: words for name, words in SHORT_NAMES.items() if words[0] in tools}
    named = {words[0] for words in commands.values()}
    commands |= {tool.replace("_", "-"): (tool,) for tool in tools if tool not in named}
    width = max(map(len, commands)) + 2
    lines = ["usage: lgrseg COMMAND [arguments]; lgrseg COMMAND --help explains one", ""]
    for name, (tool, *options) in commands.items():
        what = ast.get_docstring(ast.parse(tools[tool].read_text(encoding="utf-8"))) or ""
        what = what.partition("\n")[0]
        if options:
            what = f"the same with {' '.join(options)}: " + what
        lines.append(f"  {name:<{width}}{what}")
    return "\n".join(lines)
