"""From a config to a model."""

from omegaconf import DictConfig

from lgrseg.config import instantiate
from lgrseg.modeling.contracts import ClipModel


def build_model(cfg: DictConfig) -> ClipModel:
    """The model that `cfg.model` describes.

        model = build_model(load_config("configs/lgrnet/camus.py"))

    Args:
        cfg: a whole config, as `load_config` returns it.

    Raises:
        TypeError: what `cfg.model` describes is no `ClipModel`.
    """
    model = instantiate(cfg.model)
    if not isinstance(model, ClipModel):
        raise TypeError(
            f"model is a {type(model).__name__}; a model of clips is a subclass of "
            "lgrseg.modeling.ClipModel, which lists what it must offer"
        )
    return model
