"""Parts of a model that are made for the part before them, such as a head for any backbone.

    head = functools.partial(UPerNet, num_classes=3)      # without in_channels
    fitted(head, in_channels={"res4": 64, "res5": 128})   # UPerNet(num_classes=3, in_channels=...)

So a config need not repeat the numbers of channels, and another encoder is one setting.
"""

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

from torch import nn

Part = TypeVar("Part")


def fitted(part: Part | Callable[..., Part], **facts: Any) -> Part:
    """Return a part; one that is not made yet is made.

    Args:
        part: module, or a function that makes it, `L(Class, partial=True)(...)` in a config.
        facts: what the function needs to know of the part before, such as its channels. A
            setting of the config is used instead, if it has the same name.
    """
    if isinstance(part, nn.Module):
        return cast(Part, part)
    settings = part.keywords if isinstance(part, functools.partial) else {}
    return cast(Callable[..., Part], part)(**(facts | settings))
