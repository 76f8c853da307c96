"""Alternating measurements and their table."""

import statistics
import time
from collections.abc import Callable


def in_turns(candidates: dict[str, Callable[[], object]], *, repeats: int) -> dict[str, float]:
    """Median seconds of every candidate, run one after the other so that load hits all alike.

    Each runs once before, unmeasured.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(repeats + 1):
        for name, candidate in candidates.items():
            begin = time.perf_counter()
            candidate()
            if number:
                seconds[name].append(time.perf_counter() - begin)
    return {name: statistics.median(found) for name, found in seconds.items()}


def print_table(title: str, seconds: dict[str, float], *, baseline: str) -> None:
    """Milliseconds of each, and how many times as fast as the baseline."""
    from rich.console import Console
    from rich.table import Table

    table = Table("", "ms", f"times as fast as {baseline}", title=title)
    for name, found in seconds.items():
        table.add_row(name, f"{1000 * found:.2f}", f"{seconds[baseline] / found:.2f}")
    Console().print(table)
