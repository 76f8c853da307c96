"""Pictures that a model makes in training, such as masks: in TensorBoard and as files."""

import numpy as np
from PIL import Image
from torch import Tensor

from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.hooks import is_due


class ModelPictures(HookBase):
    """Writes `model.pictures` after the first step, at every evaluation, and at the end.

    The files are `pictures/NAME_ITERATION.png` in the folder of the run.
    """

    def __init__(self, *, period: int):
        """`period` in steps; 0 writes only the first and the last."""
        self.period = period

    def after_step(self) -> None:
        """Write the pictures if it is due; only the main process."""
        trainer = self.trainer
        iteration = trainer.iteration
        due = iteration in (1, trainer.max_iter) or is_due(iteration, self.period)
        if not due or trainer.tensorboard is None:  # None in the other processes
            return
        for name, picture in trainer.model.pictures.items():
            trainer.tensorboard.add_image(name, picture, iteration)
            folder = trainer.output_dir / "pictures"
            folder.mkdir(exist_ok=True)
            Image.fromarray(to_bytes(picture)).save(folder / f"{name}_{iteration:06d}.png")


def to_bytes(picture: Tensor) -> np.ndarray:
    """Picture (3, H, W), 0 to 1, to (H, W, 3) uint8."""
    levels = (255 * picture.float().clamp(0, 1)).round().byte()
    return levels.permute(1, 2, 0).cpu().numpy()
