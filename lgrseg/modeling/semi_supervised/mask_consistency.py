"""Mean teacher for masks: the student learns the teacher's masks at confident pixels.

Sources: Tarvainen and Valpola, "Mean teachers are better role models", NIPS 2017; the threshold on
confidence: Sohn et al., "FixMatch", NeurIPS 2020, section 2; two strong views with cut-mix: Yang et
al., "UniMatch", CVPR 2023, section 3.3. Unlike there, the loss has a Dice term for each class,
because most confident pixels are background.

Letters: B clips, K classes, T frames; h w maps.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from lgrseg.layers.clip_batch import clip_generators
from lgrseg.layers.numerics import divide, soft_dice
from lgrseg.modeling.contracts import Objective, Segmenter
from lgrseg.structures import Clip, UnlabelledViews

Mix = Callable[[list[Clip], Tensor], tuple[list[Clip], Tensor]]


class MaskConsistency(Objective):
    """The objective of a mean teacher for `SemiSupervised`; both networks are `Segmenter`s.

    p and q are the student's and the teacher's probability that a pixel belongs to a class. The
    teacher's mask is y = 1 where q is above 0.5. A pixel is confident for this class, c = 1, if q
    is at least `threshold` or at most 1 - `threshold`:

        entropy = mean over pixels and classes of  c (- y log p - (1 - y) log(1 - p))
        dice    = mean over frames and classes of  a (1 - Dice of p and y where c = 1)

    a is the share of the teacher's mask that is confident. So a class of which the teacher is
    unsure counts little, and the background cannot make up for it.
    """

    def __init__(self, *, threshold: float = 0.9, mix: Mix | None = None):
        """Set up the objective.

        Args:
            threshold: probability, at least 0.5 (all pixels are confident) and below 1.
            mix: function of the student's clips and the teacher's maps that mixes clips of a batch,
                such as `CutMix`; None for none. Then the loss is a mean over clips.

        Raises:
            ValueError: `threshold` is out of range.
        """
        super().__init__()
        if not 0.5 <= threshold < 1:
            raise ValueError(f"threshold must be at least 0.5 and below 1, not {threshold}")
        self.threshold, self.mix = threshold, mix

    def forward(
        self, student: Segmenter, teacher: Segmenter, views: list[UnlabelledViews]
    ) -> dict[str, Tensor]:
        """Compute the losses of `views`, which have one clip for the teacher, of equal geometry.

        Afterwards `monitored` has the confident shares of the teacher's masks ("sure_inside") and
        of the rest ("sure_outside"), and the share of pixels in its masks ("inside").
        """
        with torch.no_grad():
            teacher_maps = teacher.class_probabilities([view.teacher[0] for view in views])
        clips: list[Clip] = []
        maps = []
        for strong in zip(*[view.student for view in views], strict=True):
            mixed = self.mix(list(strong), teacher_maps) if self.mix else (strong, teacher_maps)
            clips.extend(mixed[0])
            maps.append(mixed[1])
        student_maps = student.class_probabilities(clips, clip_generators(clips))
        self.monitored = confident_shares(teacher_maps, self.threshold)
        return consistency(student_maps, torch.cat(maps), self.threshold)


def consistency(student: Tensor, teacher: Tensor, threshold: float) -> dict[str, Tensor]:
    """The two losses of `MaskConsistency`, from probabilities (B, K, T, h, w)."""
    student = student.clamp(1e-4, 1 - 1e-4)
    inside = teacher > 0.5
    confident = (teacher >= threshold) | (teacher <= 1 - threshold)
    entropy = -torch.where(inside, student, 1 - student).log()
    pixels = (-2, -1)
    dice = soft_dice(student * confident, (inside & confident).float(), pixels)
    share = divide((inside & confident).float().sum(pixels), inside.sum(pixels))
    return {
        "loss_consistency": (confident * entropy).mean(),
        "loss_consistency_dice": (share * (1 - dice)).mean(),
    }


def confident_shares(teacher: Tensor, threshold: float) -> dict[str, Tensor]:
    """Shares of confident pixels in and outside the teacher's masks, and of pixels in masks."""
    inside = teacher > 0.5
    return {
        "sure_inside": divide((teacher >= threshold).float().sum(), inside.sum()),
        "sure_outside": divide((teacher <= 1 - threshold).float().sum(), (~inside).sum()),
        "inside": inside.float().mean(),
    }
