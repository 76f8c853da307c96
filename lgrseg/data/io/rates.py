"""Frame rates of files, and their plausibility."""

import math

import numpy as np

SLOWEST, FASTEST = 1.0, 1000.0
"""Lowest and highest plausible frame rate of a heart clip, in frames per second."""


def checked_rate(rate: float | None, *, source: str, notes: list[str]) -> float | None:
    """Return `rate` if it is plausible; otherwise add a note and return None.

    Args:
        rate: frames per second, or None.
        source: item of the file and its value, for the note.
        notes: list to which a note is added.
    """
    if rate is None or (math.isfinite(rate) and SLOWEST <= rate <= FASTEST):
        return rate
    notes.append(
        f"{source} would be {rate:.3g} frames per second (allowed are {SLOWEST:g} to {FASTEST:g}): "
        "it is not used"
    )
    return None


def uneven_steps(milliseconds: np.ndarray) -> list[str]:
    """A note if the times between frames vary."""
    if len(milliseconds) and milliseconds.max() > 1.5 * max(milliseconds.min(), 1e-9) + 1:
        return [
            f"the frame rate varies: {milliseconds.min():.0f} to {milliseconds.max():.0f} ms "
            "between frames; the frames are used in order, without these times"
        ]
    return []


def dicom_rate(dataset, notes: list[str]) -> float | None:
    """First plausible of FrameTime, FrameTimeVector, CineRate, RecommendedDisplayFrameRate.

    Args:
        dataset: header of the file.
        notes: list to which notes about ignored values and varying rates are added.
    """
    steps = _numbers(dataset, "FrameTimeVector", notes)[1:]  # ms since the frame before; first 0
    if len(steps) and steps.max() > 1.5 * max(steps.min(), 1e-9):
        notes.append(f"the frame rate varies: {steps.min():.4g} to {steps.max():.4g} ms")
    milliseconds = {"FrameTime": _numbers(dataset, "FrameTime", notes)}
    milliseconds["FrameTimeVector"] = np.median(steps, keepdims=True) if len(steps) else steps
    for name, value in milliseconds.items():
        if len(value):
            stated = 1000 / float(value[0]) if value[0] else math.inf
            source = f"{name} of {value[0]:.4g} ms"
            if rate := checked_rate(stated, source=source, notes=notes):
                return rate
    for name in ("CineRate", "RecommendedDisplayFrameRate"):
        value = _numbers(dataset, name, notes)
        if len(value) and value[0]:  # 0 means an unknown rate
            source = f"{name} of {value[0]:.4g}"
            if rate := checked_rate(float(value[0]), source=source, notes=notes):
                return rate
    return None


def _numbers(dataset, name: str, notes: list[str]) -> np.ndarray:
    """The values of an item; empty if it is absent or not a number."""
    value = dataset.get(name)
    if value in (None, "", []):
        return np.zeros(0)
    try:
        return np.atleast_1d(np.asarray(value, float))
    except (TypeError, ValueError):
        notes.append(f"{name} {value!r} is not a number: it is not used")
        return np.zeros(0)
