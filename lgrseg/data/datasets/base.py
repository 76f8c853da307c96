"""The functions of a raw dataset, which is a module or an object that has them."""

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
    """A dataset that writes its raw files itself if they do not exist yet."""

    def generate(self, raw: Path) -> None:
        """Write the raw files."""
        ...


@runtime_checkable
class DrawnDataset(RawDataset, Protocol):
    """A dataset whose splits are drawn when it is known which videos can be used."""

    def draw_splits(self, usable: set[str]) -> dict[str, str]:
        """Draw the splits by the usable videos: video_id of every listed video -> its split."""
        ...


@runtime_checkable
class FinishedDataset(RawDataset, Protocol):
    """A dataset that adds files to the store after all videos are prepared."""

    def finish(self, raw: Path, out: Path) -> None:
        """Write files about the whole dataset, such as lists of splits."""
        ...
