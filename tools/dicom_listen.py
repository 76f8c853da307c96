r"""Receive ultrasound clips by DICOM C-STORE, segment them, and send back SEG and SR.

    python tools/dicom_listen.py --output output/pacs --port 11112
    python tools/dicom_listen.py --output output/pacs --peer PACS@127.0.0.1:4242 --view A4C

Results are a DICOM segmentation and, if a whole beat can be measured, a structured report. They are
written to OUTPUT/results with the other files of tools/predict.py, and sent to --peer. OUTPUT has
the names and IDs of patients.

Clips that are acknowledged are not lost: after a restart those in OUTPUT/waiting are segmented.
Those in OUTPUT/failed have a file with the reason; move them to OUTPUT/waiting, and start again.

DICOM has no password. By default only programs on this machine can connect. Another --host needs
--allow with the titles of those who may send clips.

Ctrl-C or SIGTERM stops it after the clip in work. Exit status: 0 when it was stopped, 1 after an
error.
"""

import argparse
import signal
import sys
import threading
from pathlib import Path


def main() -> int:
    """Run the command line."""
    arguments = parse_arguments()
    from lgrseg.inference import Existing, FilePredictor, Predictor
    from lgrseg.inference.dicom_sr import check_view
    from lgrseg.inference.pretrained import pretrained_run

    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        from lgrseg.pacs.listener import Listener, Settings
        from lgrseg.pacs.peer import Peer

        check_view(arguments.view)
        settings = Settings(
            title=arguments.title,
            host=arguments.host,
            port=arguments.port,
            peer=Peer.parse(arguments.peer) if arguments.peer else None,
            callers=tuple(arguments.allow),
            most_waiting=arguments.most_waiting,
        )
        settings.check()
        predictor = Predictor.from_run(
            arguments.run or pretrained_run(), weights=arguments.weights, device=arguments.device
        )
        segment = FilePredictor(
            predictor, existing=Existing.REPLACE, dicom_seg=True, dicom_sr=arguments.view
        )
        with Listener(segment, arguments.output, settings) as listener:
            print(f"{settings.title} listens on {settings.host}:{listener.port}", flush=True)
            stopped.wait()
    except ModuleNotFoundError as error:
        print(f"error: {error.name} is missing: pip install 'lgrseg[dicom]'", file=sys.stderr)
        return 1
    except (ImportError, OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, required=True, help="folder of clips and results")
    parser.add_argument("--run", type=Path, help="folder of a run (default: the model of lgrseg)")
    parser.add_argument("--weights", help="best, last, or a file (default: best if there is one)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.add_argument("--title", default="LGRSEG", help="own AE title (default: LGRSEG)")
    parser.add_argument("--host", default="127.0.0.1", help="own address (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=11112, help="own port (default: 11112)")
    parser.add_argument("--peer", metavar="TITLE@HOST:PORT", help="receiver of the results")
    parser.add_argument("--allow", nargs="+", default=[], metavar="TITLE", help="who may call")
    parser.add_argument(
        "--view",
        choices=("A4C", "A2C", "unknown"),
        default="unknown",
        help="view of all clips; codes of a view are used only if it is stated (default: unknown)",
    )
    parser.add_argument(
        "--most-waiting", type=int, default=100, help="clips that may wait (default: 100)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
