"""Measures a model during a training without labels: its encoder, or the images that it makes."""

import logging
import math
from collections.abc import Callable
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.hooks import is_due
from lgrseg.engine.writers import write_metrics
from lgrseg.evaluation.paired_images import PairedImages
from lgrseg.evaluation.probing import PatchProbe, ProbeResult
from lgrseg.evaluation.results import plain
from lgrseg.modeling.contracts import ClipModel, ImageModel
from lgrseg.modeling.foundation import Encoder
from lgrseg.visualization.colour_basis import colour_basis

logger = logging.getLogger("lgrseg")


class ProbeModel(HookBase):
    """Probes the model before the first step, every `period` steps, and at the end.

    The scores are written to metrics.jsonl and TensorBoard as `probe/...`, and a picture to
    TensorBoard and to the folder `pictures`. Only the main process does it.
    """

    def __init__(self, *, period: int):
        """`period` in steps; 0 probes only before the first and after the last."""
        self.period = period

    def measure(self) -> tuple[dict[str, float], np.ndarray]:
        """Scores of the model by name, and a picture (H, W, 3) uint8 RGB."""
        raise TypeError(f"{type(self).__name__} must override measure")

    def before_train(self) -> None:
        """Probe the model from which the run starts."""
        if self.trainer.iteration == 0:
            self._probe()

    def after_step(self) -> None:
        """Probe if it is due."""
        iteration = self.trainer.iteration
        if is_due(iteration, self.period) or iteration == self.trainer.max_iter:
            self._probe()

    def _probe(self) -> None:
        trainer = self.trainer
        if trainer.tensorboard is None:  # None in the other processes
            return
        with trainer.evaluated_weights():
            trainer.model.eval()
            scores, picture = self.measure()
        trainer.model.train()
        write_metrics(trainer, plain({f"probe/{name}": score for name, score in scores.items()}))
        shown = ", ".join(
            f"{name} {score:.4g}" for name, score in scores.items() if "/" not in name
        )
        logger.info("iteration %d, probe: %s", trainer.iteration, shown)
        trainer.tensorboard.add_image("probe", picture, trainer.iteration, dataformats="HWC")
        folder = trainer.output_dir / "pictures"
        folder.mkdir(exist_ok=True)
        cv2.imwrite(str(folder / f"probe_{trainer.iteration:06d}.png"), picture[..., ::-1])


class ProbeEncoder(ProbeModel):
    """Probes `model.backbone`; the picture shows its features."""

    def __init__(self, *, probe: PatchProbe, period: int):
        """`period` in steps."""
        super().__init__(period=period)
        self.probe = probe

    def measure(self) -> tuple[dict[str, float], np.ndarray]:
        """See `ProbeModel.measure`."""
        result = self.probe(frozen_maps(self.trainer.model, self.trainer.device))
        return result.scores, feature_picture(result)


class ProbeImages(ProbeModel):
    """Scores the images that `model.enhanced` makes of fixed poor images."""

    def __init__(self, *, probe: PairedImages, period: int):
        """`period` in steps."""
        super().__init__(period=period)
        self.probe = probe

    def measure(self) -> tuple[dict[str, float], np.ndarray]:
        """See `ProbeModel.measure`.

        Raises:
            TypeError: the model makes no images.
        """
        model = self.trainer.model.deployed()
        if not isinstance(model, ImageModel):
            raise TypeError(f"a {type(model).__name__} enhances no images: set probe=null")
        return self.probe(lambda frames: model.enhanced(frames.to(self.trainer.device)))


def frozen_maps(model: nn.Module, device: torch.device) -> Callable[[Tensor], list[Tensor]]:
    """The maps of a model's encoder, which is set to evaluation mode, as `PatchProbe` needs them.

    Args:
        model: model with `backbone`, an encoder, and `normalizer`; or one whose student has them.
        device: device of the model.

    Returns:
        Function from frames (N, 3, H, W) to maps. It raises ValueError if H or W is not a multiple
        of all strides: such a map covers more than the frame, so its positions would be compared
        with labels at other places.
    """
    model.eval()
    model = model.deployed() if isinstance(model, ClipModel) else model
    encoder = cast(Encoder, model.get_submodule("backbone"))
    normalizer = model.get_submodule("normalizer")

    def maps(frames: Tensor) -> list[Tensor]:
        step = math.lcm(*encoder.strides)
        height, width = frames.shape[-2:]
        if height % step or width % step:
            raise ValueError(
                f"frames of {height} x {width} px do not fit maps at strides "
                f"{encoder.strides}: probe with sides that are multiples of {step} (--size of "
                "probe_encoders.py, `size` of PatchProbe)"
            )
        return encoder(normalizer(frames.to(device)))

    return maps


def feature_picture(result: ProbeResult) -> np.ndarray:
    """Draw frames above the colours of their features (three principal components), uint8 RGB."""
    maps = result.maps.permute(0, 2, 3, 1).numpy()
    height, width = result.frames.shape[-2:]
    frames = (255 * result.frames.permute(0, 2, 3, 1).numpy()).round().astype(np.uint8)
    try:
        basis = colour_basis(maps, threshold=None)
    except ValueError:  # all features are equal: the encoder has collapsed
        colours = [np.zeros_like(frame) for frame in frames]
    else:
        painted = [basis.paint(basis.scores(one)) for one in maps]
        colours = [enlarged(one, (height, width)) for one in painted]
    return np.concatenate([np.concatenate(list(frames), 1), np.concatenate(colours, 1)])


def enlarged(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Enlarge a picture (h, w, 3) to (height, width), without smoothing."""
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
