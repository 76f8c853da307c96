"""Checks that the parts of a model and its datasets match."""

from collections.abc import Mapping, Sequence

from torch import nn


def check_channels(part: str, expected: Mapping[str, int], backbone: nn.Module) -> None:
    """Raise an error if a part was made for other channels than the backbone's.

    Args:
        part: name of the part in the config, such as "encoder".
        expected: number of channels of each map for which the part was made.
        backbone: network with `channels` by name of map; without this attribute nothing is checked.

    Raises:
        ValueError: a map does not exist, or has another number of channels.
    """
    channels = getattr(backbone, "channels", None)
    if channels is None:
        return
    wrong = {name: n for name, n in expected.items() if channels.get(name) != n}
    if wrong:
        raise ValueError(
            f"{part}.in_channels says {wrong}, but the maps of {type(backbone).__name__} have "
            f"{dict(channels)} channels: give {part} the channels of its backbone"
        )


def check_classes(model: nn.Module, classes: Mapping[str, Sequence[str]]) -> None:
    """Raise an error if a model predicts other classes than its datasets have.

    Args:
        model: trained model; without an attribute `num_classes` nothing is checked.
        classes: class names of each dataset, by its name.

    Raises:
        ValueError: the numbers of classes differ.
    """
    num_classes = getattr(model, "num_classes", None)
    for dataset, names in classes.items():
        if num_classes is not None and num_classes != len(names):
            raise ValueError(
                f"the model predicts {num_classes} classes, {dataset} has {len(names)}: "
                f"{', '.join(names)}; set num_classes in the config"
            )
