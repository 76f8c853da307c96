"""Mapper from a record with a label to a clip and its class, without masks."""

import numpy as np

from lgrseg.data.mappers.clips import FrameMapper
from lgrseg.data.record import VideoRecord
from lgrseg.structures import Clip, LabelTarget


class LabelMapper(FrameMapper):
    """Makes clips of images or videos with one label, `VideoRecord.label`.

    Each video is one sample, with or without annotated frames. The anchor for the frame sampler is
    the middle of the video; `SegmentSampler` distributes the frames over the whole video.
    """

    def samples(self, records: list[VideoRecord]) -> list[tuple[VideoRecord, int]]:
        """List (record, middle frame) of every video.

        Raises:
            ValueError: a video has no label.
        """
        without_label = [record.video_id for record in records if record.label is None]
        if without_label:
            shown = ", ".join(without_label[:5]) + (", ..." if len(without_label) > 5 else "")
            raise ValueError(
                f"{len(without_label)} videos have no label: {shown}; a classifier needs a dataset "
                "whose records have a label, such as class_folders; for masks, use ClipMapper"
            )
        return [(record, record.num_frames // 2) for record in records]

    def __call__(
        self, record: VideoRecord, anchor: int, rng: np.random.Generator, seen: int = 0
    ) -> tuple[Clip, LabelTarget]:
        """Make a clip and its label; `seen` is the number of clips sampled so far."""
        assert record.label is not None  # `samples` refuses videos without a label
        indices = self.frame_sampler(anchor, record.num_frames, rng, seen)
        no_masks = np.zeros((0, *self.input_size), dtype=np.uint8)
        clip, _ = self._clip(record, indices, no_masks, rng)
        return clip, LabelTarget(record.label)
