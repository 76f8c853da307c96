"""Times border distances: HD95 and ASSD of a 600 x 800 frame with four classes."""

import numpy as np

from lgrseg.data.phantom.presets import scans
from lgrseg.data.transforms.resizing import resize_labels
from lgrseg.evaluation.metrics.surface import border_distances
from lgrseg.studies.benchmarks.timing import Comparison, in_turns

SIZE = (600, 800)


def run(*, repeats: int) -> Comparison:
    """Time our code and medpy, and print the result.

    Raises:
        ModuleNotFoundError: medpy is not installed.
    """
    from medpy.metric import binary

    truth, prediction = frames()

    def ours():
        distances = [border_distances(prediction == k, truth == k) for k in range(1, 5)]
        return [(one.hd95(pooled=True), one.assd()) for one in distances]

    def medpy():
        pairs = [(prediction == k, truth == k) for k in range(1, 5)]
        return [(binary.hd95(*pair), binary.assd(*pair)) for pair in pairs]

    assert np.allclose(ours(), medpy())
    timings = in_turns({"lgrseg": ours, "medpy": medpy}, repeats=repeats)
    return Comparison(f"HD95 and ASSD, {SIZE[0]} x {SIZE[1]}, 4 classes", timings, "medpy").show()


def frames() -> tuple[np.ndarray, np.ndarray]:
    """Two label maps of a phantom that are four frames apart, at the size of CardiacUDC."""
    scan = next(iter(scans("demo").values()))
    return resize_labels(scan.labels(0), SIZE), resize_labels(scan.labels(4), SIZE)
