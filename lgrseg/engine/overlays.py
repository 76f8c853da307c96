"""Pictures of what a run predicts, in TensorBoard: input, truth and prediction side by side."""

from lgrseg.data.catalog import MetadataCatalog
from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.hooks import is_due
from lgrseg.visualization.examples import example_pictures


class ExampleOverlays(HookBase):
    """A few clips of the first test dataset, predicted whenever it is evaluated.

    The same clips every time, so that one can watch them improve: "examples/<dataset>/<number>" in
    TensorBoard. The main process alone draws them.
    """

    def __init__(self, *, period: int, count: int):
        """`count` clips every `period` steps, as of the evaluation; 0 for the end only."""
        self.period, self.count = period, count

    def after_step(self) -> None:
        """Draw where it is due, not twice at the end."""
        trainer = self.trainer
        if is_due(trainer.iteration, self.period) and trainer.iteration < trainer.max_iter:
            self._draw()

    def after_train(self) -> None:
        """Draw what the trained model says."""
        self._draw()

    def _draw(self) -> None:
        trainer = self.trainer
        if trainer.tensorboard is None:  # of the main process only
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
