"""The order of a stream in which groups, such as organs or videos, are equally frequent."""

import itertools
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from lgrseg.data.streams import element_at

BALANCES: dict[str, tuple[str, ...]] = {
    "none": (),
    "video": ("video",),
    "organ": ("organ",),
    "organ+video": ("organ", "video"),
}
"""Name of a balance -> the properties of a file that make its groups, the largest groups first."""
_ORDER = 20
"""Purpose of random numbers of this order; from here on, each group has its own."""


class Balanced:
    """Elements in nested groups: every group once, then every group with its next element.

    The elements of a group come in a new random order after each pass through it, so the elements
    of small groups are repeated. Without groups, each element comes once per epoch.
    """

    def __init__(self, keys: Sequence[tuple[Hashable, ...]]):
        """`keys` are the groups of every element, the largest first; all of one length."""
        self._root = _group(list(range(len(keys))), keys, 0, itertools.count(_ORDER))

    def element_at(self, position: int, seed: int) -> int:
        """Element at a position of the infinite stream; a function of its arguments only."""
        group = self._root
        while True:
            turn, _ = divmod(position, len(group.members))
            member = group.members[element_at(len(group.members), position, seed, group.use)]
            if isinstance(member, int):
                return member
            group, position = member, turn


@dataclass(frozen=True)
class _Group:
    use: int
    members: "list[_Group] | list[int]"


def _group(elements: list[int], keys, depth: int, uses: Iterator[int]) -> _Group:
    use = next(uses)
    if depth == len(keys[elements[0]]):
        return _Group(use, elements)
    groups: dict[Hashable, list[int]] = {}
    for element in elements:
        groups.setdefault(keys[element][depth], []).append(element)
    return _Group(use, [_group(group, keys, depth + 1, uses) for group in groups.values()])
