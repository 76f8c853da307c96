"""What a raw dataset must offer; a module with these functions is one, and so is an object."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from lgrseg.data.raw_video import RawVideo


@runtime_checkable
class RawDataset(Protocol):
    """Lists the videos of a folder; see lgrseg/data/datasets/camus.py."""

    def find_videos(self, raw: Path) -> tuple[list[RawVideo], dict[str, str]]:
        """List the videos below `raw`, and the files that are not used with the reasons."""
        ...


@runtime_checkable
class GeneratedDataset(RawDataset, Protocol):
    """A dataset that writes its raw files itself, where they are not there yet."""

    def generate(self, raw: Path) -> None:
        """Write the raw files."""
        ...


@runtime_checkable
class FinishedDataset(RawDataset, Protocol):
    """A dataset that adds files to the store, once all videos are prepared."""

    def finish(self, raw: Path, out: Path) -> None:
        """Write what belongs to the whole dataset, such as lists of splits."""
        ...
