"""Rows of a comparison, parsed from the command line."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

WHOLE_CONFIG = "config:"
BEFORE_A_KEY = re.compile(r",(?=\w+(?:\.\w+)*=)")
"""A comma before an override; commas within a value, such as [1,2], do not separate."""


@dataclass(frozen=True)
class Row:
    """One row of a comparison: an encoder or a whole config."""

    name: str
    """Name of the row in the table and in the folders of its runs."""
    encoder: str | None = None
    """Name of the encoder for `build_encoder`; None for a whole config."""
    weights: str | None = None
    """File of the encoder's weights; None for random ones."""
    config: Path | None = None
    """Config file of a whole model; None for an encoder."""
    overrides: tuple[str, ...] = ()
    """Overrides `key=value` of that config."""

    @classmethod
    def parse(cls, text: str) -> "Row":
        """Parse `name`, `name=weights` or `config:path,key=value,key=value`."""
        if text.startswith(WHOLE_CONFIG):
            path, *overrides = BEFORE_A_KEY.split(text.removeprefix(WHOLE_CONFIG))
            return cls(Path(path).stem, config=Path(path), overrides=tuple(overrides))
        encoder, _, weights = text.partition("=")
        return cls(encoder, encoder, weights or None)


def parse_rows(texts: list[str]) -> list[Row]:
    """Parse rows; several rows of one encoder are named after their weight files.

    Raises:
        ValueError: two rows have the same name.
    """
    rows = [Row.parse(text) for text in texts]
    encoders = [row.encoder for row in rows if row.encoder]
    named = []
    for row in rows:
        name = row.name
        if row.encoder and row.weights and encoders.count(row.encoder) > 1:
            name = f"{name}_{Path(row.weights).stem}"
        name = re.sub(r"[^\w.-]", "_", name)
        named.append(dataclasses.replace(row, name=name))
    names = [row.name for row in named]
    if len(set(names)) < len(names):
        raise ValueError(
            f"the names of the rows must differ, because runs are named after them: {names}"
        )
    return named
