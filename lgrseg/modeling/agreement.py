"""Checks that the parts of a model and its datasets match."""

import itertools
import logging
from collections.abc import Mapping, Sequence

from torch import nn

from lgrseg.modeling.contracts import Backbone, ClipModel

logger = logging.getLogger("lgrseg")


def check_channels(part: str, expected: Mapping[str, int], backbone: nn.Module) -> None:
    """Raise an error if a part was made for other channels than those of the backbone.

    Args:
        part: name of the part in the config, such as "encoder".
        expected: number of channels of each map for which the part was made, by name.
        backbone: network to compare with. If it is not a `Backbone`, nothing is checked.

    Raises:
        ValueError: a map does not exist, or has another number of channels.
    """
    if not isinstance(backbone, Backbone):
        return
    channels = backbone.channels
    wrong = {name: n for name, n in expected.items() if channels.get(name) != n}
    if wrong:
        raise ValueError(
            f"{part}.in_channels is {wrong}, but the maps of {type(backbone).__name__} have "
            f"{dict(channels)} channels: set {part}.in_channels to those of the backbone"
        )


def check_classes(model: ClipModel, classes: Mapping[str, Sequence[str]]) -> None:
    """Raise an error if a model predicts other classes than its datasets have.

    A model knows its classes by their number only. So datasets may name them differently, which is
    logged as a warning, but not have the same names in another order.

    Args:
        model: model to train. If its `num_classes` is None, nothing is checked.
        classes: names of the classes of each dataset, by the name of the dataset.

    Raises:
        ValueError: the numbers of classes differ, or two datasets have them in another order.
    """
    num_classes = model.num_classes
    for dataset, names in classes.items():
        if num_classes is not None and num_classes != len(names):
            raise ValueError(
                f"the model predicts {num_classes} classes, {dataset} has {len(names)}: "
                f"{', '.join(names)}; set num_classes in the config"
            )
    for (one, names), (other, theirs) in itertools.combinations(classes.items(), 2):
        listed = f"{one} has {', '.join(names)}, and {other} has {', '.join(theirs)}"
        if list(names) == list(theirs) or len(names) != len(theirs):
            continue
        if set(names) == set(theirs):
            raise ValueError(
                f"the same classes are in another order: {listed}. A model knows them by their "
                "number, so every score would be wrong: prepare one of them again in one order"
            )
        logger.warning("classes are compared by their number: %s", listed)
