"""CAMUS's Info_*.cfg: a line that is no number costs that number, and is named."""

import math
from pathlib import Path


class InfoFile:
    """Lines "key: value" of Info_*.cfg; empty where there is no such file."""

    def __init__(self, file: Path):
        """`notes` say which lines are no numbers, once they are asked for."""
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
        """A number in these limits; None, with a note, where the line holds none.

        A decimal comma is read as a point. The ejection fraction is in per cent.
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
            f"{self._file.name}, line {self._lines[key]}: {key} is {text!r}, which is no number "
            f"above {above:g}"
            + (f" and up to {most:g}" if math.isfinite(most) else "")
            + ": left out"
        )
        return None
