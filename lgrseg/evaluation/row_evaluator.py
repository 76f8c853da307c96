"""Base class of evaluators: rows of scores, gathered from all processes."""

from typing import Generic, Protocol, TypeVar

from lgrseg.comm.processes import all_gather_object
from lgrseg.data.catalog import MetadataCatalog


class Row(Protocol):
    """Scores of one clip or frame; rows are sent between processes, so they have no tensors."""

    @property
    def key(self) -> tuple[str, int, int]:
        """Video, anchor and frame. They are unique, and rows are sorted by them."""


RowType = TypeVar("RowType", bound=Row)


class RowEvaluator(Generic[RowType]):
    """Collects one row per clip or frame; a subclass makes the rows and summarises them."""

    def __init__(self, *, dataset: str, protocol: str, bootstrap_seed: int = 0):
        """Look up the classes of the dataset; nothing is read from the disk.

        Args:
            dataset: name of the dataset in the catalog.
            protocol: description of the evaluation, which is copied into the results.
            bootstrap_seed: seed of the resampling that gives the confidence intervals.
        """
        self.dataset = dataset
        self.protocol = protocol
        self.bootstrap_seed = bootstrap_seed
        metadata = MetadataCatalog.get(dataset)
        self.classes, self.roles = metadata.classes, metadata.roles
        self.reset()

    def reset(self) -> None:
        """Remove all rows."""
        self._rows: list[RowType] = []
        self._seconds = 0.0

    def _gathered(self, *, what: str) -> tuple[list[RowType], float]:
        """Rows of all processes, and the total time of the model in seconds.

        Rows are sorted, so sums do not depend on the number of processes. Each clip, or frame of a
        clip, has one row, even if a distributed loader repeats clips in its last round.

        Raises:
            ValueError: there are no rows; `what` names them in the message.
        """
        parts = all_gather_object((self._rows, self._seconds))
        unique_rows: dict[tuple[str, int, int], RowType] = {
            row.key: row for rows, _ in parts for row in rows
        }
        if not unique_rows:
            raise ValueError(f"{self.dataset} has no {what} to evaluate")
        return [unique_rows[key] for key in sorted(unique_rows)], sum(
            seconds for _, seconds in parts
        )
