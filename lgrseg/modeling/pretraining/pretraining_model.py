"""The base class of pretrainings whose encoder is used afterwards, and checks of their input."""

from collections.abc import Sized

from lgrseg.modeling.contracts import LabelFreeModel
from lgrseg.structures import Clip, UnlabelledViews

NO_MASKS = (
    "an encoder in pretraining predicts nothing: save it (tools/export_encoder.py), and start a "
    "segmenter or classifier from it"
)


class PretrainingModel(LabelFreeModel):
    """A model whose encoder is taken when the pretraining ends."""

    why_no_masks = NO_MASKS


def check_several(frames: Sized) -> None:
    """Refuse a batch in which no other frame is.

    Raises:
        ValueError: `frames`, those of all processes, are fewer than 2.
    """
    if len(frames) < 2:
        raise ValueError(
            "a batch of 1 frame has no others to tell it from, so nothing would be learnt: set "
            "dataloader.train.unlabelled.batch_size=2 or more (with method=image_tree, "
            "dataloader.train.batch_size)"
        )


def all_clips(clips: list[Clip], unlabelled: list[UnlabelledViews]) -> list[Clip]:
    """The labelled clips, and the first view for the teacher of each unlabelled video."""
    return [*clips, *(views.teacher[0] for views in unlabelled)]
