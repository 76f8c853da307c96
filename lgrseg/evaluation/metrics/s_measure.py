"""S-measure and mean absolute error, the usual measures of polyp segmentation.

Source: Fan et al., "Structure-measure: A New Way to Evaluate Foreground Maps", ICCV 2017. Here the
prediction is the final mask. Papers that do not threshold compute them on probabilities, so they
get other numbers from the same model.
"""

import numpy as np

_EPS = np.finfo(np.float64).eps


def mean_absolute_error(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Mean of |prediction - truth| over the pixels of two (H, W) masks, 0 to 1 or bool."""
    return float(np.abs(prediction.astype(np.float64) - truth.astype(np.float64)).mean())


def s_measure(prediction: np.ndarray, truth: np.ndarray, *, alpha: float = 0.5) -> float:
    """S = alpha S_object + (1 - alpha) S_region, 0 to 1 (equations 1 to 11).

    If the truth is empty, the score is 1 - mean(prediction); if it fills the picture, the score is
    mean(prediction) (section 3 of the authors' code). If both are empty, the score is 1.

    Args:
        prediction: (H, W) mask, 0 to 1 or bool.
        truth: (H, W) bool mask.
        alpha: weight of the object-aware part, 0 to 1.
    """
    prediction, truth = prediction.astype(np.float64), truth.astype(bool)
    share = truth.mean()
    if share == 0:
        return float(1 - prediction.mean())
    if share == 1:
        return float(prediction.mean())
    objects = share * _object(prediction[truth])
    objects += (1 - share) * _object(1 - prediction[~truth])
    value = alpha * objects + (1 - alpha) * _regions(prediction, truth.astype(np.float64))
    return float(max(0.0, value))


def _object(values: np.ndarray) -> float:
    """Score of the values at pixels that should be 1: large if they are high and uniform."""
    spread = values.std(ddof=1) if len(values) > 1 else 0.0
    return 2 * values.mean() / (values.mean() ** 2 + 1 + spread + _EPS)


def _regions(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Similarity of the four quarters around the truth's centre, weighted by their size."""
    height, width = truth.shape
    rows, columns = np.nonzero(truth)
    row, column = round(rows.mean()) + 1, round(columns.mean()) + 1
    total = 0.0
    for top, bottom in ((0, row), (row, height)):
        for left, right in ((0, column), (column, width)):
            area = (bottom - top) * (right - left)
            if area > 0:
                quarter = (slice(top, bottom), slice(left, right))
                total += area * _similarity(prediction[quarter], truth[quarter])
    return total / (height * width)


def _similarity(x: np.ndarray, y: np.ndarray) -> float:
    """Structural similarity of two whole regions (equation 5)."""
    mean_x, mean_y, count = x.mean(), y.mean(), max(x.size - 1, 1)
    var_x, var_y = ((x - mean_x) ** 2).sum() / count, ((y - mean_y) ** 2).sum() / count
    shared = ((x - mean_x) * (y - mean_y)).sum() / count
    above = 4 * mean_x * mean_y * shared
    below = (mean_x**2 + mean_y**2) * (var_x + var_y)
    if above != 0:
        return above / (below + _EPS)
    return 1.0 if below == 0 else 0.0
