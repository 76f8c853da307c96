"""Changes of settings, `key=value`. The key must exist, so a misspelt key is an error."""

import inspect
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from lgrseg.config.python_files import ROLES
from lgrseg.config.suggestions import did_you_mean
from lgrseg.config.targets import TARGET, locate

VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def apply_override(cfg: DictConfig, override: str) -> None:
    """Change one setting of a config.

    Args:
        cfg: config to change.
        override: `key=value`; the value is read as YAML.

    Raises:
        ValueError: the override is not `key=value`.
        KeyError: the key is neither in the config nor an argument of the configured object.
    """
    key, equals, text = override.partition("=")
    if not equals:
        raise ValueError(f"an override looks like key=value, not {override!r}")
    value = OmegaConf.from_dotlist([f"value={text}"]).value
    if key.partition(".")[0] == ROLES:  # a config need not have this part
        OmegaConf.update(cfg, key, value)
    else:
        _set(cfg, key, value)


def _set(cfg: DictConfig, key: str, value: Any) -> None:
    node: Any = cfg
    parts = key.split(".")
    for depth, part in enumerate(parts):
        partial_key = ".".join(parts[: depth + 1])
        index: str | int = part
        if isinstance(node, ListConfig):
            if not part.isdecimal() or int(part) >= len(node):
                raise KeyError(
                    f"no config key {partial_key!r}: a list of {len(node)}, counted from 0"
                )
            index = int(part)
        elif not isinstance(node, DictConfig):
            raise KeyError(
                f"no config key {partial_key!r}: {'.'.join(parts[:depth])!r} is {node!r}"
            )
        elif part not in (known_keys := _known_keys(node)) and not _checks_itself(node):
            options = (
                did_you_mean(part, known_keys)
                or f"; there are {', '.join(sorted(known_keys)) or 'none here'}"
            )
            raise KeyError(f"no config key {partial_key!r}{options}")
        if depth == len(parts) - 1:
            node[index] = value
        else:
            node = node[index] if isinstance(index, int) else node.get(index)


def _known_keys(node: DictConfig) -> set[str]:
    # A key may be set if the config has it, or if it is an argument of the configured object.
    keys = {str(key) for key in node}
    if TARGET in node:
        parameters = inspect.signature(locate(node[TARGET])).parameters
        keys |= {name for name in parameters if parameters[name].kind not in VARIADIC}
    return keys


def _checks_itself(node: DictConfig) -> bool:
    """True if a config's target accepts any keyword, so that it checks them itself."""
    if TARGET not in node:
        return False
    parameters = inspect.signature(locate(node[TARGET])).parameters.values()
    return any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
