"""Reads CAMUS's Info_*.cfg; a value that is not a number is left out, with a note."""

import math
from pathlib import Path


class InfoFile:
    """Lines "key: value" of Info_*.cfg; none if the file does not exist."""

    def __init__(self, file: Path):
        """Read the file; later, `number` adds a note for every value that is not a number."""
        self.notes: list[str] = []
        self.texts: dict[str, str] = {}
        self._file, self._lines = file, {}
        if not file.is_file():
            return
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(lines, start=1):
            if ":" in line:
                key, value = (part.strip() for part in line.split(":", 1))
                self.texts[key], self._lines[key] = value, number

    def number(self, key: str, *, above: float = 0, most: float = math.inf) -> float | None:
        """The number of a line; None, with a note, if it is not a number within these limits.

        A decimal comma is read as a point.
        """
        if key not in self.texts:
            return None
        text = self.texts[key]
        try:
            number = float(text.replace(",", ".", 1))
        except ValueError:
            number = math.nan
        if math.isfinite(number) and above < number <= most:
            return number
        self.notes.append(
            f"{self._file.name}, line {self._lines[key]}: {key} is {text!r}, which is not a number "
            f"above {above:g}"
            + (f" and up to {most:g}" if math.isfinite(most) else "")
            + ": left out"
        )
        return None
