"""Training time of an epoch with and without cached features, measured alternately."""

import copy
import statistics
import tempfile
from pathlib import Path

from lgrseg.data.streams import ClipDataset
from lgrseg.engine.train_loop import SimpleTrainer
from lgrseg.studies.benchmarks.timing import Comparison, Timing
from lgrseg.studies.comparison.cached import CachedTrainer
from lgrseg.studies.comparison.prepared import Prepared

NOTE = (
    "{clips} clips of {images}, batch {batch}; one epoch for warm-up, which also fills the cache, "
    "then {repeats} timed epochs of each variant, alternately. Features are cached as {precision}. "
    "All times include reading, augmentation and the training of the head."
)
WITHOUT, FILLING, WITH = "no cache", "first epoch, which fills the cache", "from the cache"


def time_epochs(
    prepared: Prepared, *, cache: Path, precision: str = "float32", repeats: int = 3
) -> Comparison:
    """Time training epochs; the features are stored in a temporary folder inside `cache`.

    With augmented copies, features of all timed epochs are stored first.

    Args:
        prepared: row with a frozen encoder to measure.
        cache: folder in which the temporary folder is created and deleted.
        precision: precision of the cached maps.
        repeats: number of timed epochs of each variant.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        without = _Epochs(prepared, None, Path(folder), precision)
        cached = _Epochs(prepared, Path(folder) / "features", Path(folder), precision)
        filling = cached.seconds_of(0)
        without.seconds_of(0)
        for epoch in range(1, repeats + 1) if prepared.cfg.dataloader.train.mapper.copies else ():
            cached.seconds_of(epoch)
        seconds: dict[str, list[float]] = {WITHOUT: [], WITH: []}
        for epoch in range(1, repeats + 1):
            seconds[WITHOUT].append(without.seconds_of(epoch))
            seconds[WITH].append(cached.seconds_of(epoch))
    timings = {WITHOUT: _timing(seconds[WITHOUT]), FILLING: _timing([filling])}
    timings[WITH] = _timing(seconds[WITH])
    loader = prepared.cfg.dataloader.train
    note = NOTE.format(
        clips=cached.num_clips,
        images=" x ".join(map(str, cached.shape)),
        batch=loader.batch_size,
        repeats=repeats,
        precision=precision,
    )
    title = f"Training epochs on features of {prepared.row.name}"
    return Comparison(title, timings, WITHOUT, note)


class _Epochs:
    """A trainer that is stopped and timed after every epoch."""

    def __init__(self, prepared: Prepared, cache: Path | None, folder: Path, precision: str):
        cfg = copy.deepcopy(prepared.cfg)
        cfg.train.output_dir = str(folder / "run")
        self.trainer = CachedTrainer(
            cfg, cache=cache, name=prepared.features_name, precision=precision
        )
        self.trainer.hooks = []  # only steps are timed
        loader = self.trainer.build_train_loader(cfg)
        self.trainer.loader = loader
        self.length = max(1, round(loader.iterations_per_epoch))
        self.num_clips = len(loader.dataset)
        assert isinstance(loader.dataset, ClipDataset)  # of a config with labels
        clip, _ = loader.dataset[0]
        self.shape = tuple(clip.frames.shape)

    def seconds_of(self, epoch: int) -> float:
        """Train through one epoch, counted from 0."""
        trainer = self.trainer
        seconds_before = trainer.train_seconds
        trainer.iteration, trainer.max_iter = epoch * self.length, (epoch + 1) * self.length
        SimpleTrainer.train(trainer)
        return trainer.train_seconds - seconds_before


def _timing(seconds: list[float]) -> Timing:
    if len(seconds) < 2:
        return Timing(seconds[0], seconds[0], seconds[0])
    low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return Timing(middle, low, high)
