"""The plots of a classifier's report: its confusion matrix and its calibration."""

import matplotlib as mpl
import numpy as np

from lgrseg.reporting.figures import FAINT, INK, STYLE, Plot, as_svg, new_axes
from lgrseg.reporting.plots import COLORS


@mpl.rc_context(STYLE)
def confusion_plot(results: dict) -> Plot:
    """Draw the confusion matrix; the colour is the share of the clips of a true class.

    Args:
        results: content of results.json of a classifier.
    """
    names = [name.replace("_", " ") for name in results["classes"]]
    counts = np.array(results["confusion"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = new_axes(height=1.4 + 0.45 * len(names))
    # Transparent where nothing is, so that the page's own background is seen.
    shade = mpl.colors.LinearSegmentedColormap.from_list("share", [COLORS[0] + "00", COLORS[0]])
    axes.imshow(shares, cmap=shade, vmin=0, vmax=1, aspect="auto")
    for row, column in np.ndindex(counts.shape):
        axes.text(
            column, row, f"{counts[row, column]}", ha="center", va="center", color=INK, fontsize=11
        )
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="answer", ylabel="truth")
    axes.grid(False)
    note = "Numbers are clips; the stronger the colour, the larger the share of the row."
    return Plot("Confusion matrix", as_svg(figure, "confusion matrix"), note)


@mpl.rc_context(STYLE)
def calibration_plot(results: dict) -> Plot:
    """Draw how often answers are right against the probability that the model gave them.

    Args:
        results: content of results.json of a classifier.
    """
    bins = results["confidence_bins"]
    figure, axes = new_axes()
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--")
    largest = max(each["num_clips"] for each in bins)
    sizes = [20 + 180 * each["num_clips"] / largest for each in bins]
    confidence = [each["confidence"] for each in bins]
    accuracy = [each["accuracy"] for each in bins]
    axes.plot(confidence, accuracy, color=COLORS[0], linewidth=1)
    axes.scatter(confidence, accuracy, s=sizes, color=COLORS[0], alpha=0.8, linewidths=0, zorder=3)
    axes.set(
        xlabel="mean probability of the answer", ylabel="share of right answers", xlim=(0, 1.03),
        ylim=(-0.03, 1.06),
    )  # fmt: skip
    error = results["calibration_error"]
    note = f"Expected calibration error {error:.3f}. Points below the line: too sure. "
    note += "The larger a point, the more clips it stands for."
    return Plot("Calibration", as_svg(figure, "calibration"), note)
