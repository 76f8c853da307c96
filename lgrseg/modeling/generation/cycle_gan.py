"""CycleGAN: translates images of a style A to a style B and back, learned without pairs.

Source: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks", ICCV 2017: least-squares losses (section 4), identity loss (section 5.2), pool of 50.

Generators (parameters g) and judges (parameters d) minimise two different losses:

    generators   L(g, d) = (judge(fake) - 1)^2 + 10 cycle + 5 identity
    judges       M(g, d) = (judge(real) - 1)^2 / 2 + judge(pooled fake)^2 / 2

The public code updates both in turn, with two optimisers. Here one backward pass of L + M gives
dL/dg and dM/dd, and nothing else: in L the judges are called with weights without a gradient, and
in M the fakes have none. AdamW treats every parameter separately, so one optimiser with a learning
rate for each part (`lr_factors` of `build_adamw`) is two optimisers. The players move at the same
time instead of in turn. So a run is saved and resumed like every other run. A reversed gradient, as
of adversarial masks, would not be enough: L is not -M.

Letters: N images of each style, C channels, H and W pixels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from lgrseg.layers.clip_batch import clip_generators
from lgrseg.layers.map_size import map_size
from lgrseg.layers.numerics import at_least_float32
from lgrseg.modeling.contracts import LabelFreeModel, Losses
from lgrseg.modeling.generation.image_pool import ImagePool
from lgrseg.modeling.generation.networks import PatchJudge, ResNetGenerator
from lgrseg.structures import Clip, UnlabelledViews


class CycleGAN(LabelFreeModel):
    """Two generators and two judges, which are trained together.

    `monitored` has the mean score of real patches and of fakes from the pool, for each judge.
    `pictures` has the first image of the last step of each style, translated, and translated back.
    """

    why_no_masks = "a CycleGAN predicts no masks: tools/translate_dataset.py translates a dataset"

    def __init__(
        self,
        *,
        to_b: ResNetGenerator,
        to_a: ResNetGenerator,
        judge_a: PatchJudge,
        judge_b: PatchJudge,
        image_size: tuple[int, int],
        channels: int = 1,
        cycle_weight: float = 10.0,
        identity_weight: float = 5.0,
        pool_size: int = 50,
    ):
        """Combine the networks.

        Args:
            to_b: generator from style A to style B.
            to_a: generator from style B to style A.
            judge_a: discriminator of real images of style A.
            judge_b: discriminator of real images of style B.
            image_size: (height, width) of the images, multiples of 4.
            channels: number C of channels of the images, 1 (grey) or 3 (RGB).
            cycle_weight: weight of |to_a(to_b(a)) - a|, and of the same for B.
            identity_weight: weight of |to_b(b) - b|, and of the same for A.
            pool_size: number of earlier fakes of each style that the judges may see again.

        Raises:
            ValueError: a weight is below 0.
        """
        super().__init__()
        if cycle_weight < 0 or identity_weight < 0:
            raise ValueError(
                f"cycle_weight={cycle_weight}, identity_weight={identity_weight}: weights are 0 or "
                "above"
            )
        self.to_b, self.to_a, self.judge_a, self.judge_b = to_b, to_a, judge_a, judge_b
        self.image_size, self.channels = (image_size[0], image_size[1]), channels
        self.cycle_weight, self.identity_weight = cycle_weight, identity_weight
        shape = (channels, *self.image_size)
        self.pool_a = ImagePool(num_images=pool_size, shape=shape)
        self.pool_b = ImagePool(num_images=pool_size, shape=shape)

    def losses_of(self, clips: list[Clip], unlabelled: list[UnlabelledViews]) -> Losses:
        """Return the losses of generators (adversarial, cycle, identity) and of judges.

        Args:
            clips: not used; there must be none.
            unlabelled: frames of style A as views for the teacher, of style B for the student.

        Raises:
            ValueError: there are no frames, or their size is not `image_size`.
        """
        if clips or not unlabelled:
            raise ValueError(
                "a CycleGAN trains on frames of two styles without labels: use "
                "dataloader.train=L(build_unpaired_loader)(...)"
            )
        of_a = [clip for views in unlabelled for clip in views.teacher]
        of_b = [clip for views in unlabelled for clip in views.student]
        real_a, real_b = self._images(of_a), self._images(of_b)
        fake_b, fake_a = self.to_b(real_a), self.to_a(real_b)
        back_a, back_b = self.to_a(fake_b), self.to_b(fake_a)
        self._show(real_a, fake_b, back_a, real_b, fake_a, back_b)
        losses = {
            "loss_fool_a": squared(without_gradient(self.judge_a, fake_a), 1.0),
            "loss_fool_b": squared(without_gradient(self.judge_b, fake_b), 1.0),
            "loss_cycle": self.cycle_weight * (error(back_a, real_a) + error(back_b, real_b)),
        }
        if self.identity_weight:
            same = error(self.to_a(real_a), real_a) + error(self.to_b(real_b), real_b)
            losses["loss_identity"] = self.identity_weight * same
        self._monitored = {}
        earlier_a = self.pool_a(fake_a.detach(), frame_generators(of_b))
        earlier_b = self.pool_b(fake_b.detach(), frame_generators(of_a))
        losses["loss_judge_a"] = self._judge("a", self.judge_a, real_a, earlier_a)
        losses["loss_judge_b"] = self._judge("b", self.judge_b, real_b, earlier_b)
        return losses

    @torch.no_grad()
    def restyled(self, frames: Tensor, *, style: str) -> Tensor:
        """Translate frames.

        Args:
            frames: (N, C, H, W) frames, 0 to 1, of any C of 1 and 3, and of any size divisible by
                4; `image_size` is the one of the training.
            style: style of the result, "a" or "b".

        Returns:
            (N, channels, H, W) frames, 0 to 1.

        Raises:
            ValueError: there is no such style.
        """
        if style not in ("a", "b"):
            raise ValueError(f"style {style!r}: the two styles are 'a' and 'b'")
        generator = self.to_b if style == "b" else self.to_a
        return as_shown(generator(as_input(frames, self.channels)))

    def _images(self, clips: list[Clip]) -> Tensor:
        """All frames of the clips (N, C, H, W), -1 to 1."""
        images = torch.cat([as_input(clip.frames, self.channels) for clip in clips])
        if map_size(images) != self.image_size:
            raise ValueError(
                f"frames have {map_size(images)} px, but the model has image_size="
                f"{self.image_size}: set both to one size (dataloader.train.size)"
            )
        return images

    def _judge(self, style: str, judge: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        of_real, of_fake = judge(real), judge(fake)
        self._monitored[f"real_score_{style}"] = of_real.detach().float().mean()
        self._monitored[f"fake_score_{style}"] = of_fake.detach().float().mean()
        return (squared(of_real, 1.0) + squared(of_fake, 0.0)) / 2

    def _show(self, *images: Tensor) -> None:
        first = [as_shown(image[0].detach().float()) for image in images]
        rows = [torch.cat(first[:3], dim=-1), torch.cat(first[3:], dim=-1)]
        self._pictures = {"translated": torch.cat(rows, dim=-2).expand(3, -1, -1)}


def without_gradient(judge: nn.Module, images: Tensor) -> Tensor:
    """Scores of images, with a gradient for the images and none for the weights of the judge."""
    weights = {name: value.detach() for name, value in judge.named_parameters()}
    return functional_call(judge, weights, (images,))


def frame_generators(clips: list[Clip]) -> list[torch.Generator]:
    """One random generator for each frame; frames of a clip share one."""
    pairs = zip(clips, clip_generators(clips), strict=True)
    return [generator for clip, generator in pairs for _ in clip.frames]


def as_shown(images: Tensor) -> Tensor:
    """Images -1 to 1 as 0 to 1."""
    return (images + 1) / 2


def as_input(frames: Tensor, channels: int) -> Tensor:
    """Convert frames (N, 1 or 3, H, W), 0 to 1, to (N, channels, H, W), -1 to 1."""
    if channels == 1:
        frames = frames.mean(dim=1, keepdim=True)
    return 2 * frames.expand(-1, channels, -1, -1) - 1


def squared(scores: Tensor, wanted: float) -> Tensor:
    """Mean squared difference of scores to a number."""
    return (at_least_float32(scores) - wanted).square().mean()


def error(images: Tensor, wanted: Tensor) -> Tensor:
    """Mean absolute difference of two sets of images."""
    return F.l1_loss(at_least_float32(images), at_least_float32(wanted))
