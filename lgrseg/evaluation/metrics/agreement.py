"""Agreement of measured with true values: bias, limits of agreement, correlation, error.

Source: Bland and Altman, "Statistical methods for assessing agreement between two methods of
clinical measurement", Lancet 1986. Intervals are 95% percentile intervals of a bootstrap over
patients, because several videos of one patient are not independent.
"""

import numpy as np

from lgrseg.evaluation.metrics.intervals import percentile_interval


def agreement(
    measured: np.ndarray,
    truth: np.ndarray,
    patients: list[str],
    *,
    num_resamples: int = 1000,
    seed: int = 0,
) -> dict:
    """Compare pairs of numbers.

    Args:
        measured: (N,) measured values; NaN where the measurement failed.
        truth: (N,) true values; pairs with NaN (unknown) are left out.
        patients: patient of each of the N pairs.
        num_resamples: number of bootstrap resamples for the intervals.
        seed: the same seed gives the same intervals.

    Returns:
        "num" (pairs), "num_patients", "missing" (pairs with a truth but no measurement), "bias"
        (mean of measured - truth), "limits" (bias -+ 1.96 standard deviations), "mae",
        "correlation" (Pearson; NaN for fewer than three pairs or equal values), and "bias_ci95",
        "mae_ci95", "correlation_ci95" (None if there are too few patients).
    """
    measured, truth = np.asarray(measured, float), np.asarray(truth, float)
    has_truth = np.isfinite(truth)
    both = has_truth & np.isfinite(measured)
    pairs = np.stack([measured[both], truth[both]])
    keys = [patient for patient, used in zip(patients, both, strict=True) if used]
    num_patients = len(set(keys))
    results = {
        "num": int(both.sum()),
        "num_patients": num_patients,
        "missing": int((has_truth & ~both).sum()),
    } | _figures(pairs)
    resamples = _resampled(pairs, keys, num_resamples, seed)
    for name in ("bias", "mae", "correlation"):
        results[f"{name}_ci95"] = percentile_interval(
            [figures[name] for figures in resamples], num_patients=num_patients
        )
    return results


def _figures(pairs: np.ndarray) -> dict:
    measured, truth = pairs
    if not len(measured):
        nan = float("nan")
        return {"bias": nan, "limits": [nan, nan], "mae": nan, "correlation": nan}
    difference = measured - truth
    bias = float(difference.mean())
    spread = 1.96 * float(difference.std(ddof=1)) if len(difference) > 1 else float("nan")
    return {
        "bias": bias,
        "limits": [bias - spread, bias + spread],
        "mae": float(np.abs(difference).mean()),
        "correlation": _correlation(measured, truth),
    }


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one, other)[0, 1])


def _resampled(pairs: np.ndarray, keys: list[str], num_resamples: int, seed: int) -> list[dict]:
    rng = np.random.default_rng(seed)
    members: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        members.setdefault(key, []).append(index)
    groups = [members[key] for key in sorted(members)]
    draws = []
    for _ in range(num_resamples if groups else 0):
        chosen = rng.integers(0, len(groups), len(groups))
        draws.append(_figures(pairs[:, np.concatenate([groups[g] for g in chosen])]))
    return draws
