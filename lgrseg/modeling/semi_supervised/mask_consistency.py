"""Mean teacher on masks: the student draws what its teacher draws where the teacher is sure.

Sources: Tarvainen and Valpola, "Mean teachers are better role models", NIPS 2017; the threshold on
confidence: Sohn et al., "FixMatch", NeurIPS 2020, section 2. Unlike there, masks of queries are
first brought into one map a class, since the queries of two networks need not agree.

Letters: N clips, K classes, Q queries, T frames.
"""

import torch
from torch import Tensor, nn

from lgrseg.layers.clip_batch import clip_generators, crop_to_input
from lgrseg.layers.numerics import at_least_float32
from lgrseg.modeling.contracts import Objective
from lgrseg.modeling.lgrnet.decoder import DecoderOutput
from lgrseg.structures import UnlabelledViews


class MaskConsistency(Objective):
    """The objective of a mean teacher for `SemiSupervised`; students have `decode`, as LGRNet has.

    With p the student's and q the teacher's probability that a pixel is of a class, and sure pixels
    those where q is at least `threshold` or at most 1 - `threshold`:

        loss = mean over pixels and classes of  - q log p - (1 - q) log(1 - p), 0 where not sure
    """

    def __init__(self, *, threshold: float = 0.9):
        """`threshold` is 0.5 (every pixel) to 1.

        Raises:
            ValueError: it is not.
        """
        super().__init__()
        if not 0.5 <= threshold < 1:
            raise ValueError(f"threshold is at least 0.5 and below 1, not {threshold}")
        self.threshold = threshold
        self.iteration = 0

    def forward(
        self, student: nn.Module, teacher: nn.Module, views: list[UnlabelledViews]
    ) -> dict[str, Tensor]:
        """The loss of `views`, in each of which both see the same pixels: "loss_consistency".

        `monitored` then holds the share of sure pixels.
        """
        size = views[0].teacher[0].frames.shape[-2:]
        with torch.no_grad():
            clips = [clip for view in views for clip in view.teacher]
            wanted = crop_to_input(class_probabilities(teacher.decode(clips)[-1]), size)
            sure = ((wanted >= self.threshold) | (wanted <= 1 - self.threshold)).float()
        clips = [clip for view in views for clip in view.student]
        outputs = student.decode(clips, clip_generators(clips))
        said = crop_to_input(class_probabilities(outputs[-1]), size).clamp(1e-4, 1 - 1e-4)
        entropy = -(wanted * said.log() + (1 - wanted) * (1 - said).log())
        self.monitored = {"sure_share": sure.mean()}
        return {"loss_consistency": (sure * entropy).mean()}

    def follow(self, momentum: float) -> None:
        """Nothing here follows anything."""


def class_probabilities(output: DecoderOutput) -> Tensor:
    """The probability of each class at each pixel, (N, K, T, h, w) 0 to 1.

    The sum over queries of P(query is of the class) x P(pixel is of the query), at most 1, as in
    MaskFormer (NeurIPS 2021), section 3.4.
    """
    classes = at_least_float32(output.class_logits).softmax(dim=-1)[..., :-1]
    masks = at_least_float32(output.mask_logits).sigmoid()
    return torch.einsum("b q k, b q t h w -> b k t h w", classes, masks).clamp(max=1)
