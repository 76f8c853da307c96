"""The datasets: importing this makes their names known to the catalog, and touches nothing else.

To add one: a file here with `find_videos(raw) -> (videos, problems)`, a line in `RAW`, and its names
registered in the catalog.
"""

from types import ModuleType

from lgrseg.data.datasets import camus

RAW: dict[str, ModuleType] = {"camus": camus}
"""What tools/prepare_dataset.py can prepare."""
