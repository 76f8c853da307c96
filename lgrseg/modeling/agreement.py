"""What the parts of a model and its data sets must agree on, compared when they are joined."""

from collections.abc import Mapping, Sequence

from torch import nn


def check_channels(part: str, expected: Mapping[str, int], backbone: nn.Module) -> None:
    """Refuse a part that was made for maps of other channels than the backbone gives.

    Args:
        part: name of the part in the config, such as "encoder".
        expected: channels by name of map that the part was made for.
        backbone: a network with `channels`, by name of map; one without is not compared.

    Raises:
        ValueError: a map is not there, or has other channels.
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
    """Refuse a model that predicts other classes than its data sets have.

    Args:
        model: what is trained; one that says no `num_classes` is not compared.
        classes: names of the classes of each data set, by its name.

    Raises:
        ValueError: their numbers differ.
    """
    num_classes = getattr(model, "num_classes", None)
    for dataset, names in classes.items():
        if num_classes is not None and num_classes != len(names):
            raise ValueError(
                f"the model predicts {num_classes} classes, {dataset} has {len(names)}: "
                f"{', '.join(names)}; set num_classes in the config"
            )
