"""From a record with a label to a clip and its class: no masks are asked for."""

import numpy as np

from lgrseg.data.mappers.clips import ClipMapper
from lgrseg.structures import Clip, LabelTarget


class LabelMapper(ClipMapper):
    """Clips of images or videos that are labelled as a whole: "label" in the record.

    Each is one sample, annotated frames or not. A frame sampler that goes out from an anchor goes
    out from the middle of the video; `SegmentSampler` spreads the frames over all of it.
    """

    def samples(self, records: list[dict]) -> list[tuple[dict, int]]:
        """(record, middle frame) of every video.

        Raises:
            ValueError: a video without a label.
        """
        silent = [record["video_id"] for record in records if record.get("label") is None]
        if silent:
            named = ", ".join(silent[:5]) + (", ..." if len(silent) > 5 else "")
            raise ValueError(
                f"{len(silent)} videos have no label: {named}; a classifier needs a dataset whose "
                'records hold "label", such as class_folders, and for masks there is ClipMapper'
            )
        return [(record, record["num_frames"] // 2) for record in records]

    def __call__(
        self, record: dict, anchor: int, rng: np.random.Generator, seen: int = 0
    ) -> tuple[Clip, LabelTarget]:
        """One sample; `seen` is the number of clips that the run has drawn before."""
        indices = self.frame_sampler(anchor, record["num_frames"], rng, seen)
        no_masks = np.zeros((0, *self.input_size), dtype=np.uint8)
        clip, _ = self._clip(record, indices, no_masks, rng)
        return clip, LabelTarget(record["label"])
