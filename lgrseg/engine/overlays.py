"""Pictures of predictions in TensorBoard: input, truth and prediction side by side."""

from lgrseg.data.catalog import MetadataCatalog
from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.hooks import is_due
from lgrseg.visualization.examples import example_pictures


class ExampleOverlays(HookBase):
    """Draws predictions of a few clips of the first test dataset at every evaluation.

    The clips are always the same, to show the progress: "examples/<dataset>/<number>" in
    TensorBoard. Only the main process draws them.
    """

    def __init__(self, *, period: int, count: int):
        """Draw `count` clips every `period` steps (the evaluation's period); 0: only at the end."""
        self.period, self.count = period, count

    def after_step(self) -> None:
        """Draw if it is due, but not twice at the end."""
        trainer = self.trainer
        if is_due(trainer.iteration, self.period) and trainer.iteration < trainer.max_iter:
            self._draw()

    def after_train(self) -> None:
        """Draw predictions of the trained model."""
        self._draw()

    def _draw(self) -> None:
        trainer = self.trainer
        if trainer.tensorboard is None:  # None in the other processes
            return
        for name in list(trainer.cfg.dataloader.test)[:1]:
            clips = trainer.build_test_loader(trainer.cfg, name).dataset
            metadata = MetadataCatalog.get(name)
            with trainer.evaluated_weights():
                pictures = example_pictures(
                    trainer.model, clips, metadata=metadata, count=self.count
                )
                for number, picture in enumerate(pictures):
                    trainer.tensorboard.add_image(
                        f"examples/{name}/{number}", picture, trainer.iteration, dataformats="HWC"
                    )
