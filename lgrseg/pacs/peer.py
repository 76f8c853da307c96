"""Sends DICOM files to another application by C-STORE."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ComprehensiveSRStorage,
    SegmentationStorage,
)

LONGEST_TITLE = 16
SECONDS = 30
"""Longest wait for an answer of a peer."""


class SendError(OSError):
    """A peer does not answer, or does not take an object."""


@dataclass(frozen=True)
class Peer:
    """A DICOM application that stores objects, such as a PACS."""

    title: str
    """Its application entity title."""
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Peer":
        """Parse "TITLE@HOST:PORT".

        Raises:
            ValueError: the text has another form.
        """
        match = re.fullmatch(r"([^@\\]+)@(.+):(\d+)", text)
        if not match:
            raise ValueError(
                f"{text!r} is no peer: give TITLE@HOST:PORT, such as PACS@10.0.0.5:104"
            )
        return cls(check_title(match[1]), match[2], check_port(int(match[3])))

    def __str__(self) -> str:
        return f"{self.title}@{self.host}:{self.port}"


def check_title(title: str) -> str:
    r"""Check an application entity title.

    Raises:
        ValueError: it is empty, longer than 16 characters, or has a backslash or another character
            than those of ASCII.
    """
    if not title.strip() or len(title) > LONGEST_TITLE or not re.fullmatch(r"[ -\[\]-~]+", title):
        raise ValueError(
            f"{title!r} is no application entity title: these have 1 to {LONGEST_TITLE} characters "
            "of ASCII, without backslash"
        )
    return title


def check_port(port: int) -> int:
    """Check the number of a TCP port; 0 lets the system choose one.

    Raises:
        ValueError: it is not between 0 and 65535.
    """
    if not 0 <= port < 2**16:
        raise ValueError(f"{port} is no port: ports are numbers up to {2**16 - 1}")
    return port


def send(files: Sequence[Path], peer: Peer, *, title: str) -> None:
    """Send segmentations and reports.

    Args:
        files: DICOM files of these two kinds.
        peer: receiver of the files.
        title: application entity title of the sender.

    Raises:
        SendError: the peer cannot be reached, or refuses a file; files before it were stored.
    """
    entity = AE(ae_title=title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = SECONDS
    entity.connection_timeout = SECONDS
    for kind in (SegmentationStorage, ComprehensiveSRStorage):
        entity.add_requested_context(kind, ExplicitVRLittleEndian)
    association = entity.associate(peer.host, peer.port, ae_title=peer.title)
    if not association.is_established:
        why = "it rejects the association" if association.is_rejected else "it does not answer"
        raise SendError(f"{peer} takes nothing: {why} (our title is {title})")
    try:
        for file in files:
            _send_one(association, file, peer)
    finally:
        association.release()


def _send_one(association, file: Path, peer: Peer) -> None:
    try:
        status = association.send_c_store(file)
    except ValueError as error:  # the peer did not accept this kind of object
        raise SendError(f"{peer} does not take {file.name}: {error}") from error
    code = status.get("Status")
    if code is None:
        raise SendError(f"{peer} did not answer to {file.name}")
    if code != 0 and code >> 12 != 0xB:  # a warning: it is stored
        comment = status.get("ErrorComment", "")
        raise SendError(f"{peer} did not store {file.name}: status 0x{code:04X} {comment}".strip())
