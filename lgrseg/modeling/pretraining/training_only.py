"""What all models of a pretraining have in common: they train, and predict nothing."""

from torch import nn

from lgrseg.structures import Clip, UnlabelledViews


def check_training(model: nn.Module) -> None:
    """Refuse to predict.

    Raises:
        ValueError: the model is not in training mode.
    """
    if not model.training:
        raise ValueError(
            "an encoder in pretraining predicts nothing: save it (tools/export_encoder.py), "
            "and start a segmenter or classifier from it"
        )


def all_clips(clips: list[Clip], unlabelled: list[UnlabelledViews] | None) -> list[Clip]:
    """The labelled clips, and the first view for the teacher of each unlabelled video."""
    return [*clips, *(views.teacher[0] for views in unlabelled or ())]
