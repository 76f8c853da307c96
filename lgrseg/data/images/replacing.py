"""Reading from a stream in which some elements cannot be read: another element takes their place.

Which one is a function of (seed, position) and of the files, so a resumed run reads the same.
"""

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from lgrseg.data.images.source import UNUSABLE

logger = logging.getLogger("lgrseg")
Content = TypeVar("Content")


class Replacing:
    """Reads numbered elements, and names in the log, once per process, what cannot be read."""

    def __init__(self, place: str, *, number: int, name: Callable[[int], str]):
        """Nothing is read.

        Args:
            place: path, URL or name of the source, for messages.
            number: number of elements.
            name: function that names an element, for messages.
        """
        self.place, self.number, self.name = place, number, name
        self.unreadable: dict[int, str] = {}
        """Element -> reason, of those that this process could not read."""

    def read(self, element: int, read: Callable[[int], Content], key: tuple[int, ...]) -> Content:
        """Read an element, or if that is not possible, another one.

        Args:
            element: element that is read first.
            read: function that reads an element; UNUSABLE are the errors of one element.
            key: seed of the order in which others are tried.

        Raises:
            ValueError: no element can be read.
        """
        for candidate in self._candidates(element, key):
            if candidate in self.unreadable:
                continue
            try:
                return read(candidate)
            except UNUSABLE as error:
                self._leave_out(candidate, str(error))
        first, reason = next(iter(self.unreadable.items()))
        raise ValueError(
            f"none of the {self.number} images of {self.place} can be read; the first was "
            f"{self.name(first)}: {reason}"
        )

    def _candidates(self, element: int, key: tuple[int, ...]) -> Iterator[int]:
        yield element
        yield from np.random.default_rng(key).permutation(self.number).tolist()

    def _leave_out(self, element: int, reason: str) -> None:
        self.unreadable[element] = reason
        logger.warning(
            "%s is left out: %s (%d of %d are unreadable so far)",
            self.name(element), reason, len(self.unreadable), self.number,
        )  # fmt: skip
