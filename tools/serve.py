r"""Serve the model: a clip goes in by HTTP or by the page, masks and measurements come out.

    lgrseg serve
    lgrseg serve --run output/demo --port 8321 --workers 2
    lgrseg serve --run output/demo output/other

The page is at http://127.0.0.1:8321. Without --run the model is the one that comes with lgrseg. Of
several runs the first is the default, and a clip may name another; every worker holds all of them.
Every option is also a variable: --keep-days is LGRSEG_SERVE_KEEP_DAYS. To be called by other
machines the service needs a token, of 16 or more characters:

    LGRSEG_SERVE_TOKEN=$(cat token.txt) lgrseg serve --host 0.0.0.0

Jobs survive the end of any process; the same command continues them. Needs pip install
'lgrseg[serve]'. docs/service.md describes the calls.
"""

import argparse
import sys
import typing
from pathlib import Path

try:
    from lgrseg.serve.settings import Settings, hash_of
    from lgrseg.serve.supervisor import Supervisor
except ModuleNotFoundError as error:
    if error.name and error.name.startswith("lgrseg"):
        raise
    sys.exit(f"error: the service needs {error.name}: pip install 'lgrseg[serve]'")

HIDDEN = ("token_hashes", "hosts", "run")


def main() -> int:
    """Run the service until it is ended."""
    arguments = parse_arguments()
    try:
        settings = make_settings(arguments)
        supervisor = Supervisor(settings)
    except (OSError, ValueError) as error:
        print(f"error: {describe(error)}", file=sys.stderr)
        return 1
    print(f"http://{settings.host}:{settings.port}  results in {settings.data}", flush=True)
    return supervisor.run()


def parse_arguments() -> argparse.Namespace:
    """Parse the command line; the options are the settings."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name, entry in Settings.model_fields.items():
        if name in HIDDEN:
            continue
        kinds = [k for k in typing.get_args(entry.annotation) if k is not type(None)]
        kind = kinds[0] if kinds else entry.annotation
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=kind,  # type: ignore[arg-type]
            help=f"{entry.description} (default: {entry.default})",
        )
    parser.add_argument(
        "--run", nargs="+", action="extend", help=Settings.model_fields["run"].description
    )
    parser.add_argument("--hosts", nargs="+", help="names by which clients call the service")
    parser.add_argument(
        "--token-file", type=Path, help="file with the accepted tokens, one on each line"
    )
    return parser.parse_args()


def make_settings(arguments: argparse.Namespace) -> Settings:
    """Make the settings of the options and the environment.

    Raises:
        OSError: the file of the tokens cannot be read.
        ValueError: a setting is not allowed.
    """
    options = vars(arguments)
    if file := options.pop("token_file"):
        tokens = file.read_text(encoding="utf-8").split()
        options["token_hashes"] = tuple(map(hash_of, tokens))
    for name in ("hosts", "run"):
        options[name] = tuple(options[name]) if options[name] else None
    return Settings.of(options)


def describe(error: Exception) -> str:
    """One sentence; pydantic's errors have a list of them."""
    if not hasattr(error, "errors"):
        return str(error)
    parts = []
    for entry in error.errors():
        where = ".".join(str(part) for part in entry["loc"])
        text = entry["msg"].removeprefix("Value error, ")
        parts.append(f"{where}: {text}" if where else text)
    return "; ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
