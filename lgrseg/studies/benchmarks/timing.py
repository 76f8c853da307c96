"""Alternating time measurements, their table, and their JSON."""

import json
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from lgrseg.engine.writers import peak_memory_mib

LEAST_SECONDS = 0.01
"""Minimum duration of a measurement; faster candidates are called several times in it."""


@dataclass
class Timing:
    """Time and memory of one call of a candidate."""

    seconds: float
    """Median time of a call in seconds."""
    first_quartile: float
    third_quartile: float
    peak_mib: int | None = None
    """Peak memory in MiB: of torch on the GPU, or of a separate process (RSS)."""
    limit_seconds: float | None = None
    """Lower bound of the time: bytes divided by bandwidth, or FLOPs divided by peak rate."""


def in_turns(
    candidates: Mapping[str, Callable[[], object]], *, repeats: int, device: str = "cpu"
) -> dict[str, Timing]:
    """Time the candidates alternately, so that other load affects all of them equally.

    Each runs three times for warm-up (the first call may compile). On CUDA the device is
    synchronised before and after a measurement, so the launch is included.
    """
    calls = {name: _calls(candidate, device) for name, candidate in candidates.items()}
    measured: dict[str, list[float]] = {name: [] for name in candidates}
    peaks: dict[str, int | None] = dict.fromkeys(candidates)
    for _ in range(repeats):
        for name, candidate in candidates.items():
            _reset_peak(device)
            seconds = _measure(candidate, calls[name], device)
            measured[name].append(seconds)
            peaks[name] = _peak(device)
    return {name: _timing(seconds, peaks[name]) for name, seconds in measured.items()}


def _calls(candidate: Callable[[], object], device: str) -> int:
    candidate()
    candidate()
    return max(1, math.ceil(LEAST_SECONDS / max(_measure(candidate, 1, device), 1e-7)))


def _measure(candidate: Callable[[], object], calls: int, device: str) -> float:
    _wait(device)
    begin = time.perf_counter()
    for _ in range(calls):
        candidate()
    _wait(device)
    return (time.perf_counter() - begin) / calls


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _reset_peak(device: str) -> None:
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()


def _peak(device: str) -> int | None:
    return peak_memory_mib(torch.device(device)) if device == "cuda" else None


def _timing(seconds: list[float], peak: int | None) -> Timing:
    if len(seconds) < 2:
        return Timing(seconds[0], seconds[0], seconds[0], peak)
    low, _, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return Timing(statistics.median(seconds), low, high, peak)


@dataclass
class Comparison:
    """Candidates that compute the same, with their timings."""

    title: str
    timings: dict[str, Timing]
    baseline: str
    """Name of the candidate with which the others are compared."""
    note: str = ""

    def times_as_fast(self, name: str) -> float:
        """Speed relative to the baseline: the baseline's time divided by this candidate's time."""
        return self.timings[self.baseline].seconds / self.timings[name].seconds

    def show(self) -> "Comparison":
        """Print the table."""
        from rich.console import Console
        from rich.table import Table

        columns = ["", "ms", "quartiles", f"times as fast as {self.baseline}"]
        with_peak = any(t.peak_mib is not None for t in self.timings.values())
        with_limit = any(t.limit_seconds is not None for t in self.timings.values())
        columns += ["peak MiB"] * with_peak + ["of the limit"] * with_limit
        table = Table(*columns, title=self.title, caption=self.note or None)
        for name, t in self.timings.items():
            row = [
                name,
                f"{1000 * t.seconds:.3g}",
                f"{1000 * t.first_quartile:.3g} to {1000 * t.third_quartile:.3g}",
                f"{self.times_as_fast(name):.2f}",
            ]
            row += [str(t.peak_mib or "")] * with_peak
            row += [f"{t.limit_seconds / t.seconds:.1%}" if t.limit_seconds else ""] * with_limit
            table.add_row(*row)
        Console(width=150).print(table)
        return self

    def as_dict(self) -> dict:
        """Return a dict for JSON, in seconds and MiB."""
        rows = {
            name: asdict(timing) | {"times_as_fast": self.times_as_fast(name)}
            for name, timing in self.timings.items()
        }
        return {"title": self.title, "baseline": self.baseline, "note": self.note, "rows": rows}


def write_json(path: Path, machine: dict, comparisons: list[Comparison], checks: list) -> None:
    """Write all measurements, with a description of the machine."""
    tables = [comparison.as_dict() for comparison in comparisons]
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine, "checks": checks, "comparisons": tables}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
