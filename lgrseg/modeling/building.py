"""Builds a model from a config, like `build_model` of detectron2."""

from pathlib import Path

from omegaconf import DictConfig

from lgrseg.checkpoint.loading import load_weights
from lgrseg.comm.processes import pick_device
from lgrseg.config import instantiate, without_weights
from lgrseg.modeling.contracts import ClipModel


def build_model(
    cfg: DictConfig, *, weights: str | Path | None = None, device: str | None = None
) -> ClipModel:
    """Build the model of a config; it is in training mode, as usual in PyTorch.

        from lgrseg.config import load_config
        from lgrseg.modeling import build_model

        model = build_model(load_config("configs/lgrnet/demo.py"), device="cpu")

    Args:
        cfg: config with the part `model`, and with `train.device` if `device` is None.
        weights: checkpoint of the whole model (.safetensors, .pth or .pt). Pretrained weights of
            its parts are then not needed. With None, only the pretrained weights are loaded.
        device: "cpu", "cuda" or "auto"; None uses `train.device`.

    Raises:
        FileNotFoundError: the weights do not exist.
        TypeError: the object described by `cfg.model` is not a `ClipModel`.
        ValueError: the weights belong to another model.
    """
    model = instantiate(without_weights(cfg.model) if weights else cfg.model)
    if not isinstance(model, ClipModel):
        raise TypeError(
            f"model is a {type(model).__name__}, but must be a subclass of "
            "lgrseg.modeling.ClipModel, which lists the necessary methods"
        )
    if weights:
        load_weights(model, weights)
    return model.to(pick_device(device or cfg.train.device))
