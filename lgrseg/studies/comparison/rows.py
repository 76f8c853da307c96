"""What is compared: rows as they are asked for."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path

WHOLE_CONFIG = "config:"
BEFORE_A_KEY = re.compile(r",(?=\w+(?:\.\w+)*=)")
"""A comma that an override follows; those within a value, [1,2], part nothing."""


@dataclass(frozen=True)
class Row:
    """One thing that is compared."""

    name: str
    """Of its runs' folder and in the table."""
    encoder: str | None = None
    """Of `build_encoder`; None where a whole config is compared."""
    weights: str | None = None
    """File of the encoder's weights; None for random ones."""
    config: Path | None = None
    """Of a whole model."""
    overrides: tuple[str, ...] = ()
    """`key=value` of that config."""

    @classmethod
    def parse(cls, text: str) -> "Row":
        """`name`, `name=weights` or `config:path,key=value,key=value`."""
        if text.startswith(WHOLE_CONFIG):
            path, *overrides = BEFORE_A_KEY.split(text.removeprefix(WHOLE_CONFIG))
            return cls(Path(path).stem, config=Path(path), overrides=tuple(overrides))
        encoder, _, weights = text.partition("=")
        return cls(encoder, encoder, weights or None)


def parse_rows(texts: list[str]) -> list[Row]:
    """Rows of different names; the same encoder with several weights is named after the files.

    Raises:
        ValueError: two rows of one name.
    """
    rows = [Row.parse(text) for text in texts]
    encoders = [row.encoder for row in rows if row.encoder]
    named = []
    for row in rows:
        name = row.name
        if row.weights and encoders.count(row.encoder) > 1:
            name = f"{name}_{Path(row.weights).stem}"
        name = re.sub(r"[^\w.-]", "_", name)
        named.append(dataclasses.replace(row, name=name))
    names = [row.name for row in named]
    if len(set(names)) < len(names):
        raise ValueError(f"runs are named after what is compared, which must differ: {names}")
    return named
