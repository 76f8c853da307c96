"""95% intervals over patients drawn anew, and when there is none.

`scipy.stats.bootstrap` makes the same draws, but its interval is NaN as soon as one draw has
nothing to measure. Here such a draw is left out, and one set of draws serves several measures.
"""

import numpy as np

MIN_PATIENTS = 5
"""Of fewer an interval is not given. Draws of one patient are all the same, those of two take three
values: the interval would be a point, or the two patients, whatever the truth."""


def percentile_interval(draws: np.ndarray, *, num_patients: int) -> list[float] | None:
    """The middle 95% of a measure's draws; None of too few patients, or without a finite draw.

    Args:
        draws: values of the measure, NaN where a draw had nothing to measure.
        num_patients: that the draws were made of.
    """
    draws = np.asarray(draws, float)
    known = draws[np.isfinite(draws)]
    if num_patients < MIN_PATIENTS or not len(known):
        return None
    return np.percentile(known, [2.5, 97.5]).tolist()
