"""A model from a config, as detectron2's `build_model` gives it."""

from pathlib import Path

from omegaconf import DictConfig

from lgrseg.checkpoint.loading import load_weights
from lgrseg.comm.processes import pick_device
from lgrseg.config import instantiate, without_weights
from lgrseg.modeling.contracts import ClipModel


def build_model(
    cfg: DictConfig, *, weights: str | Path | None = None, device: str | None = None
) -> ClipModel:
    """Build the model of a config, in training mode as PyTorch leaves it.

        from lgrseg.config import load_config
        from lgrseg.modeling import build_model

        model = build_model(load_config("configs/lgrnet/demo.py"), device="cpu")

    Args:
        cfg: config with the part `model`, and `train.device` where `device` is None.
        weights: checkpoint (.safetensors, .pth or .pt) that fills the model; the published weights
            that its parts would start from are then not needed. None starts from those.
        device: "cpu", "cuda" or "auto"; None takes `train.device`.

    Raises:
        FileNotFoundError: there are no such weights.
        TypeError: what `cfg.model` describes is no `ClipModel`.
        ValueError: the weights are those of another model.
    """
    model = instantiate(without_weights(cfg.model) if weights else cfg.model)
    if not isinstance(model, ClipModel):
        raise TypeError(
            f"model is a {type(model).__name__}; a model of clips is a subclass of "
            "lgrseg.modeling.ClipModel, which lists what it must offer"
        )
    if weights:
        load_weights(model, weights)
    return model.to(pick_device(device or cfg.train.device))
