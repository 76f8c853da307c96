"""Suggests known names for a misspelt name."""

import difflib
from collections.abc import Iterable


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """The tail of an error message: '; did you mean ...?', or "" if no name is similar."""
    close = difflib.get_close_matches(word, [str(option) for option in options], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def nearest(word: str, options: Iterable[str], *, count: int = 3) -> list[str]:
    """The `count` names that are most similar to `word`, the most similar first."""
    return difflib.get_close_matches(word, list(options), n=count, cutoff=0.0)
