r"""Call a service that another process or machine runs with `lgrseg serve`.

    lgrseg remote predict clip.mp4 --url http://127.0.0.1:8321 --output output/predictions
    lgrseg remote predict clip.mp4 --model NAME
    lgrseg remote jobs --url http://127.0.0.1:8321

The token is read from LGRSEG_TOKEN, or from --token. Needs pip install 'lgrseg[client]'.
Exit status: 0 if every clip has results, otherwise 1.
"""

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

try:
    import httpx2

    from lgrseg.client.calls import checked_url
    from lgrseg.client.client import Client
    from lgrseg.client.errors import JobFailed, ServiceProblem
    from lgrseg.client.progress_bar import ProgressBar
    from lgrseg.client.result_files import stem_of
except ModuleNotFoundError as error:
    if error.name and error.name.startswith("lgrseg"):
        raise
    sys.exit(f"error: the client needs {error.name}: pip install 'lgrseg[client]'")


def main() -> int:
    """Run the command line."""
    arguments = parse_arguments()
    with Client(arguments.url, token=arguments.token) as client:
        if arguments.what == "jobs":
            return list_jobs(client)
        return max([predict(client, file, arguments) for file in arguments.files])


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="what", required=True)
    files = commands.add_parser("predict", help="send clips, wait, and load the results")
    files.add_argument("files", type=Path, nargs="+", metavar="FILE", help="a clip")
    files.add_argument(
        "--output",
        type=Path,
        default=Path("output/predictions"),
        help="folder of the results (default: output/predictions)",
    )
    files.add_argument(
        "--spacing-mm",
        type=float,
        nargs=2,
        metavar=("ROW", "COLUMN"),
        help="millimetres between rows and between columns, instead of the spacing in the files",
    )
    files.add_argument(
        "--fps", type=float, help="frames a second, instead of the rate in the files"
    )
    files.add_argument(
        "--deidentify",
        action="store_true",
        help="ask for results without personal data: pictures black outside the fan, DICOM without "
        "patient; the files' names are not sent",
    )
    files.add_argument(
        "--view",
        choices=("A4C", "A2C", "unknown"),
        default="unknown",
        help="view of the clips, for the codes of DICOM reports (default: unknown)",
    )
    files.add_argument("--model", help="name of one of the service's models (default: its first)")
    listed = commands.add_parser("jobs", help="list jobs, the newest first")
    for command in (files, listed):
        command.add_argument(
            "--url", default="http://127.0.0.1:8321", help="address of the service"
        )
        command.add_argument("--token", default=os.environ.get("LGRSEG_TOKEN"), help="its token")
    arguments = parser.parse_args()
    try:
        checked_url(arguments.url)
    except ValueError as error:
        parser.error(str(error))
    if arguments.what == "predict" and not arguments.deidentify:
        stem, count = Counter(stem_of(file.name) for file in arguments.files).most_common(1)[0]
        if count > 1:
            files.error(
                f"{count} files have the name {stem}, so their results would replace each other: "
                "call once for each, with another --output"
            )
    return arguments


def predict(client: Client, file: Path, arguments: argparse.Namespace) -> int:
    """Segment one clip, and print its files; the exit status."""
    try:
        job = client.predict_clip(
            file,
            output=arguments.output,
            watch=ProgressBar(),
            spacing_mm=arguments.spacing_mm,
            fps=arguments.fps,
            deidentify=arguments.deidentify,
            view=arguments.view,
            model=arguments.model,
        )
    except (ServiceProblem, JobFailed, OSError, ValueError, httpx2.TransportError) as error:
        print(f"error: {file}: {error or type(error).__name__}", file=sys.stderr)
        return 1
    for text in [*job.doubts, *job.notes]:
        print(f"{file.name}: {text}", file=sys.stderr)
    fraction = job.ejection_fraction
    shown = "no ejection fraction" if fraction is None else f"ejection fraction {fraction:.1f} %"
    print(f"{file.name}: {shown}, results in {arguments.output}")
    return 0


def list_jobs(client: Client) -> int:
    """Print the jobs, one on each line; the exit status."""
    try:
        for job in client.jobs().jobs:
            print(f"{job.id}  {job.state:<10}{job.progress:4.0%}  {job.name}")
    except (ServiceProblem, httpx2.TransportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
