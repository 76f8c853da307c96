"""Evaluates several runs together, as the mean of their class probabilities, on test datasets.

The runs may have different models and input sizes: each gets test clips of its own loader, and
averaged maps are pasted into the original frames. With test-time augmentation, the prediction of
each run is the mean over several views (lgrseg/inference/augmented_views.py).
"""

import time
from collections.abc import Sequence

import torch
from tqdm import tqdm

from lgrseg.config import instantiate
from lgrseg.data.catalog import MetadataCatalog
from lgrseg.engine.loaded_run import LoadedRun
from lgrseg.inference.averaging import average_predictions
from lgrseg.modeling.agreement import check_classes
from lgrseg.structures import Clip, ClipPrediction


def evaluate_ensemble(runs: Sequence[LoadedRun], dataset: str) -> dict:
    """Evaluate the mean of runs on one test dataset, with the evaluator of the first.

    Args:
        runs: loaded runs, at least one.
        dataset: name of a dataset.

    Returns:
        The results, as they are written to results.json.

    Raises:
        ValueError: the runs have different classes or those of the dataset in another order, or
            they cut other clips of the dataset's videos.
    """
    first, *others = (run.member for run in runs)
    for other in others:
        if other.metadata.classes != first.metadata.classes:
            raise ValueError(
                f"an ensemble needs runs of the same classes: {first.name} has "
                f"{', '.join(first.metadata.classes)}; {other.name} has "
                f"{', '.join(other.metadata.classes)}"
            )
    own, wanted = first.metadata.classes, MetadataCatalog.get(dataset).classes
    check_classes(first.model, {first.name: own, dataset: wanted})
    loaders = [run.loader(dataset) for run in runs]
    evaluator = instantiate(runs[0].cfg.evaluator)(dataset=dataset)
    evaluator.reset()
    bar = tqdm(zip(*loaders, strict=True), total=len(loaders[0]), desc=dataset, leave=False)
    for batches in bar:
        samples = [sample for (sample,) in batches]
        record, anchor, clip, targets = samples[0]
        begin = time.perf_counter()
        prediction = _mean(runs, [of_run[2] for of_run in samples])
        evaluator.process(record, anchor, clip, targets, prediction, time.perf_counter() - begin)
    names = [run.member.name for run in runs]
    results = evaluator.evaluate() | {"runs": names}
    if len(runs) > 1:
        results["protocol"] += f"; mean of {len(runs)} runs"
    return results


@torch.inference_mode()
def _mean(runs: Sequence[LoadedRun], clips: Sequence[Clip]) -> ClipPrediction:
    predictions = []
    for run, clip in zip(runs, clips, strict=True):
        if not torch.equal(clip.frame_indices, clips[0].frame_indices):
            raise ValueError(
                f"{runs[0].member.name} is tested on frames {clips[0].frame_indices.tolist()} of "
                f"{clip.video_id}, {run.member.name} on {clip.frame_indices.tolist()}: only runs "
                "whose test clips have the same frames can be evaluated together"
            )
        device = next(run.member.model.parameters()).device
        (prediction,) = run.member.model([clip.to(device)])
        predictions.append(prediction)
    return predictions[0] if len(predictions) == 1 else average_predictions(predictions)
