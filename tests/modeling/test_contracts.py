"""Base classes of models."""

import pytest

from lgrseg.modeling.contracts import LabelFreeModel


def test_a_model_without_labels_has_losses_and_predicts_no_masks():
    with pytest.raises(TypeError, match="losses_of"):
        LabelFreeModel()

    class Halves(LabelFreeModel):
        def losses_of(self, clips, unlabelled):
            return {"loss": len(unlabelled) / 2}

    model = Halves()
    assert model([], unlabelled=[1, 2, 3]) == {"loss": 1.5} and model([]) == {"loss": 0}
    with pytest.raises(ValueError, match="predicts no masks"):
        model.eval()([])
