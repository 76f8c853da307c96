"""95% bootstrap intervals over patients, and the number of patients they need.

`scipy.stats.bootstrap` makes the same draws, but its interval is NaN if a single draw has
nothing to measure. Here such a draw is left out, and several measures share one set of draws.
"""

from collections.abc import Sequence

import numpy as np

MIN_PATIENTS = 5
"""Fewer patients give no interval. With one patient all resamples are equal, with two
there are three values, so the interval would be a point, or the scores of the two patients."""


def percentile_interval(
    draws: Sequence[float] | np.ndarray, *, num_patients: int
) -> list[float] | None:
    """Middle 95% of bootstrap values; None for too few patients, or without a finite value.

    Args:
        draws: values of the measure, one per resample; NaN where a resample had nothing to measure.
        num_patients: number of patients that were resampled.
    """
    draws = np.asarray(draws, float)
    finite = draws[np.isfinite(draws)]
    if num_patients < MIN_PATIENTS or not len(finite):
        return None
    return np.percentile(finite, [2.5, 97.5]).tolist()
