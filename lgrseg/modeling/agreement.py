"""Checks that the parts of a model and its datasets match."""

from collections.abc import Mapping, Sequence

from torch import nn

from lgrseg.modeling.contracts import Backbone, ClipModel


def check_channels(part: str, expected: Mapping[str, int], backbone: nn.Module) -> None:
    """Raise an error if a part was made for other channels than the backbone's.

    Args:
        part: name of the part in the config, such as "encoder".
        expected: channels by name of map that the part was made for.
        backbone: network; one that is no `Backbone` is not compared.

    Raises:
        ValueError: a map does not exist, or has another number of channels.
    """
    if not isinstance(backbone, Backbone):
        return
    channels = backbone.channels
    wrong = {name: n for name, n in expected.items() if channels.get(name) != n}
    if wrong:
        raise ValueError(
            f"{part}.in_channels says {wrong}, but the maps of {type(backbone).__name__} have "
            f"{dict(channels)} channels: give {part} the channels of its backbone"
        )


def check_classes(model: ClipModel, classes: Mapping[str, Sequence[str]]) -> None:
    """Refuse a model that predicts other classes than its data sets have.

    Args:
        model: the model that is trained; one whose `num_classes` is None is not compared.
        classes: names of the classes of each data set, by its name.

    Raises:
        ValueError: the numbers of classes differ.
    """
    num_classes = model.num_classes
    for dataset, names in classes.items():
        if num_classes is not None and num_classes != len(names):
            raise ValueError(
                f"the model predicts {num_classes} classes, {dataset} has {len(names)}: "
                f"{', '.join(names)}; set num_classes in the config"
            )
