"""Receives ultrasound clips by C-STORE, segments them, and sends the results to a peer.

A clip is in one of these subfolders, so nothing is lost if the process is killed:

| folder | clips |
|---|---|
| waiting/ | received and acknowledged, not finished; a new listener takes them up |
| finished/ | segmented; their results are in results/, and at the peer if there is one |
| failed/ | not segmented, or not sent; UID.txt has the reason |

A failed clip that is moved to waiting/ is tried again by the next listener.
"""

import contextlib
import filecmp
import queue
import re
import shutil
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, _config, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    UltrasoundImageStorage,
    UltrasoundMultiFrameImageStorage,
    Verification,
)

from lgrseg.checkpoint.whole_files import appears_whole
from lgrseg.failures import describe_error
from lgrseg.inference.file_predictor import Outcome
from lgrseg.pacs.peer import Peer, SendError, check_port, check_title, send

LOOPBACK = ("127.0.0.1", "::1", "localhost")
SUCCESS, NO_RESOURCES, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC000
"""Status of a C-STORE, DICOM PS3.4, table B.2-1."""
UID = re.compile(r"[0-9.]{1,64}")
FREE_BYTES = 2**30
"""Space on the disk below which no clip is taken."""
MOST_CALLERS = 8
"""Number of associations at the same time."""
SECONDS = 60
"""Longest silence of a caller."""
PAUSES = (1.0, 10.0)
"""Seconds before the results are sent a second and a third time."""


@dataclass(frozen=True)
class Settings:
    """Where a listener listens, and what it takes."""

    title: str = "LGRSEG"
    """Application entity title; callers must use it."""
    host: str = "127.0.0.1"
    port: int = 11112
    peer: Peer | None = None
    """Receiver of segmentations and reports; None only writes them."""
    callers: tuple[str, ...] = ()
    """Titles of those who may call; empty for all, which only a loopback address may allow."""
    most_waiting: int = 100
    """Number of clips that may wait; more are refused, and the caller can send them later."""

    def check(self) -> None:
        """Check the settings.

        Raises:
            ValueError: a title or port is impossible, or strangers could send clips.
        """
        for title in (self.title, *self.callers):
            check_title(title)
        check_port(self.port)
        if self.host not in LOOPBACK and not self.callers:
            raise ValueError(
                f"{self.host} can be reached from other machines, and DICOM has no password: name "
                "those who may send clips with --allow TITLE, and use a firewall"
            )


class Listener:
    """Takes clips and segments them one after the other: `with Listener(...) as listener:`."""

    def __init__(
        self,
        segment: Callable[[Path, Path], Outcome],
        folder: Path,
        settings: Settings | None = None,
    ):
        """Set up the folders; nothing listens yet.

        Args:
            segment: function from (clip, path of its results without a suffix) to its outcome: a
                `FilePredictor` with DICOM objects, which replaces existing results.
            folder: folder of the clips and results.
            settings: address, titles and limits; None uses the defaults.

        Raises:
            ValueError: a setting is impossible.
            OSError: the folder cannot be written.
        """
        self.settings = settings or Settings()
        self.settings.check()
        self.segment, self.folder = segment, folder
        for name in ("waiting", "finished", "failed", "results"):
            (folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._queue: queue.Queue[Path | None] = queue.Queue()
        self._worker = threading.Thread(target=self._work, name="segmenter", daemon=True)
        self._stopping = threading.Event()

    def __enter__(self) -> "Listener":
        """Begin to listen, and take up clips that were waiting.

        Raises:
            OSError: the port is used by another program.
        """
        _config.STORE_RECV_CHUNKED_DATASET = True  # a clip goes to the disk while it arrives
        settings = self.settings
        entity = AE(ae_title=settings.title)
        entity.require_called_aet = True
        entity.require_calling_aet = list(settings.callers)
        entity.maximum_associations = MOST_CALLERS
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = SECONDS
        entity.add_supported_context(Verification)
        for kind in (UltrasoundMultiFrameImageStorage, UltrasoundImageStorage):
            entity.add_supported_context(kind, ALL_TRANSFER_SYNTAXES)
        handlers: list = [(evt.EVT_C_STORE, self._store)]
        address = (settings.host, settings.port)
        server = entity.start_server(address, block=False, evt_handlers=handlers)
        assert server is not None  # it does not block
        self._server = server
        for path in sorted((self.folder / "waiting").glob("*.dcm")):
            self._queue.put(path)
        self._worker.start()
        return self

    def __exit__(self, *error) -> None:
        """Listen no longer, and finish the clip in work."""
        self._server.shutdown()
        self._stopping.set()
        self._queue.put(None)
        self._worker.join()

    @property
    def port(self) -> int:
        """The port it listens to."""
        return self._server.server_address[1]

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until every clip that has arrived is finished or has failed; False if it is late."""
        end = time.monotonic() + seconds
        while self._queue.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.02)
        return not self._queue.unfinished_tasks

    def _store(self, event) -> int:
        """Answer a C-STORE; the status is a success only when the clip is on the disk."""
        uid = str(event.request.AffectedSOPInstanceUID)
        if not UID.fullmatch(uid):
            _say("a clip", "refused: its SOP Instance UID is not a UID")
            return NOT_UNDERSTOOD
        if self._queue.unfinished_tasks >= self.settings.most_waiting:
            _say(uid, f"refused: {self.settings.most_waiting} clips are waiting")
            return NO_RESOURCES
        path = self.folder / "waiting" / f"{uid}.dcm"
        try:
            if shutil.disk_usage(self.folder).free < FREE_BYTES:
                raise OSError("the disk is almost full")
            with appears_whole(path) as half_done:
                shutil.copyfile(event.dataset_path, half_done)
                self._date_like_before(half_done, path.name)
        except OSError as error:
            _say(uid, f"refused: {error}")
            return NO_RESOURCES
        self._queue.put(path)
        return SUCCESS

    def _date_like_before(self, clip: Path, name: str) -> None:
        """Give a clip that came before its first time, so that its results are the same objects.

        The identifiers of results depend on the time of the clip's file. With new ones, a PACS that
        sends a clip twice would get a second segmentation beside the first.
        """
        for folder in ("waiting", "finished", "failed"):
            earlier = self.folder / folder / name
            with contextlib.suppress(FileNotFoundError):  # or moved at this moment
                if filecmp.cmp(earlier, clip, shallow=False):
                    shutil.copystat(earlier, clip)

    def _work(self) -> None:
        while (path := self._queue.get()) is not None and not self._stopping.is_set():
            try:
                self._process(path)
            except Exception as error:  # such as a full disk; the clip keeps waiting
                _say(path.stem, f"left in waiting/: {describe_error(error)}")
            self._queue.task_done()

    def _process(self, path: Path) -> None:
        if not path.exists():  # it was sent twice, and is finished
            return
        try:
            self.segment(path, self.folder / "results" / path.stem)
            self._send_results(path.stem)
        except Exception as error:  # of any reader or model; the next clips are not concerned
            reason = describe_error(error)
            (self.folder / "failed" / f"{path.stem}.txt").write_text(reason + "\n")
            path.replace(self.folder / "failed" / path.name)
            _say(path.stem, f"failed: {reason}")
            return
        path.replace(self.folder / "finished" / path.name)
        for old in (f"{path.stem}.txt", path.name):  # of an earlier attempt
            (self.folder / "failed" / old).unlink(missing_ok=True)
        _say(
            path.stem,
            "finished" + (f", sent to {self.settings.peer}" if self.settings.peer else ""),
        )

    def _send_results(self, uid: str) -> None:
        peer = self.settings.peer
        if peer is None:
            return
        names = [f"{uid}_seg.dcm", f"{uid}_sr.dcm"]
        files = [file for name in names if (file := self.folder / "results" / name).exists()]
        for pause in (*PAUSES, None):
            try:
                return send(files, peer, title=self.settings.title)
            except SendError:
                if pause is None or self._stopping.wait(pause):
                    raise


def _say(uid: str, what: str) -> None:
    print(f"{uid}: {what}", file=sys.stderr, flush=True)
