"""What evaluators share: rows of scores, gathered from all processes."""

from lgrseg.comm.processes import all_gather_object
from lgrseg.data.catalog import MetadataCatalog


class RowEvaluator:
    """Takes clips in as rows with "video_id" and "anchor"; a subclass makes and summarises them."""

    def __init__(self, *, dataset: str, protocol: str, bootstrap_seed: int = 0):
        """Nothing is read yet.

        Args:
            dataset: its name in the catalog.
            protocol: what is evaluated, in words; it goes into the results.
            bootstrap_seed: of the intervals.
        """
        self.dataset = dataset
        self.protocol = protocol
        self.bootstrap_seed = bootstrap_seed
        metadata = MetadataCatalog.get(dataset)
        self.classes, self.roles = metadata.classes, metadata.roles
        self.reset()

    def reset(self) -> None:
        """Forget all that was seen."""
        self._rows: list[dict] = []
        self._seconds = 0.0

    def _gathered(self, *, what: str) -> tuple[list[dict], float]:
        """Rows of all processes, and the seconds that the model took in all.

        Sorted, so that sums have one order however many processes there are; each clip, or frame of
        a clip, once, even from a loader that pads its last round with clips it gave before.

        Raises:
            ValueError: there is none; `what` says of what.
        """
        parts = all_gather_object((self._rows, self._seconds))
        found = {
            (row["video_id"], row["anchor"], row.get("frame", 0)): row
            for rows, _ in parts
            for row in rows
        }
        if not found:
            raise ValueError(f"{self.dataset} has no {what} to evaluate")
        return [found[key] for key in sorted(found)], sum(seconds for _, seconds in parts)
