"""Configs as plain dictionaries."""

from typing import Any

from omegaconf import DictConfig, OmegaConf


def as_dict(cfg: DictConfig, *, resolve: bool = False) -> dict[str, Any]:
    """A config as dictionaries, lists and plain values.

    Args:
        cfg: config or a part of it.
        resolve: whether references such as ${train.max_iter} are replaced by their values.

    Raises:
        TypeError: the config is a list.
    """
    container = OmegaConf.to_container(cfg, resolve=resolve)
    if not isinstance(container, dict):
        raise TypeError(f"a config has named parts; this is {container!r}")
    return {str(key): value for key, value in container.items()}
