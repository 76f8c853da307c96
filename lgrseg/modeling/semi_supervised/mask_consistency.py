"""Mean teacher for masks: the student learns the teacher's masks at confident pixels.

Sources: Tarvainen and Valpola, "Mean teachers are better role models", NIPS 2017; the threshold on
confidence: Sohn et al., "FixMatch", NeurIPS 2020, section 2. Unlike there, masks of queries are
first merged into one map per class, because the queries of two networks may differ.

Letters: N clips, K classes, Q queries, T frames.
"""

from typing import Protocol

import torch
from torch import Tensor

from lgrseg.layers.clip_batch import clip_generators, crop_to_input
from lgrseg.layers.map_size import map_size
from lgrseg.layers.numerics import at_least_float32
from lgrseg.modeling.contracts import Objective
from lgrseg.modeling.lgrnet.decoder import DecoderOutput
from lgrseg.structures import Clip, UnlabelledViews


class Decoding(Protocol):
    """A model that predicts classes and masks of queries, such as LGRNet."""

    def decode(
        self, clips: list[Clip], generators: list[torch.Generator] | None = None
    ) -> list[DecoderOutput]:
        """Compute classes and masks after every layer; the last ones are the prediction."""
        ...


class MaskConsistency(Objective):
    """The objective of a mean teacher for `SemiSupervised`; students need the method `decode`.

    p and q are the student's and the teacher's probability that a pixel belongs to a class. A pixel
    is confident if q is at least `threshold` or at most 1 - `threshold`:

        loss = mean over pixels and classes of  - q log p - (1 - q) log(1 - p), 0 if not confident
    """

    def __init__(self, *, threshold: float = 0.9):
        """`threshold` is at least 0.5 (all pixels are confident) and below 1.

        Raises:
            ValueError: `threshold` is out of range.
        """
        super().__init__()
        if not 0.5 <= threshold < 1:
            raise ValueError(f"threshold must be at least 0.5 and below 1, not {threshold}")
        self.threshold = threshold
        self.iteration = 0

    def forward(
        self, student: Decoding, teacher: Decoding, views: list[UnlabelledViews]
    ) -> dict[str, Tensor]:
        """Compute "loss_consistency" of `views`; both networks get views with the same geometry.

        Afterwards `monitored` has the share of confident pixels.
        """
        size = map_size(views[0].teacher[0].frames)
        with torch.no_grad():
            clips = [clip for view in views for clip in view.teacher]
            teacher_probs = crop_to_input(class_probabilities(teacher.decode(clips)[-1]), size)
            is_confident = (
                (teacher_probs >= self.threshold) | (teacher_probs <= 1 - self.threshold)
            ).float()
        clips = [clip for view in views for clip in view.student]
        outputs = student.decode(clips, clip_generators(clips))
        student_probs = crop_to_input(class_probabilities(outputs[-1]), size).clamp(1e-4, 1 - 1e-4)
        entropy = -(
            teacher_probs * student_probs.log() + (1 - teacher_probs) * (1 - student_probs).log()
        )
        self.monitored = {"sure_share": is_confident.mean()}
        return {"loss_consistency": (is_confident * entropy).mean()}

    def follow(self, momentum: float) -> None:
        """Do nothing, because this objective has no averaged weights."""


def class_probabilities(output: DecoderOutput) -> Tensor:
    """Probability of each class at each pixel, (N, K, T, h, w), 0 to 1.

    It is the sum over queries of P(query is of the class) x P(pixel is of the query), at most 1, as
    in MaskFormer (NeurIPS 2021), section 3.4.
    """
    classes = at_least_float32(output.class_logits).softmax(dim=-1)[..., :-1]
    masks = at_least_float32(output.mask_logits).sigmoid()
    return torch.einsum("b q k, b q t h w -> b k t h w", classes, masks).clamp(max=1)
