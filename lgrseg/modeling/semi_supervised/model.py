"""A student that is trained with labels, and a teacher that follows it and sees unlabelled videos.

What the student learns from the teacher is the objective's: `LocalGlobalDistillation`
(self_distillation.py) or `MaskConsistency` (mask_consistency.py). The teacher is the exponential
moving average of the student (Tarvainen and Valpola, "Mean teachers", NIPS 2017); at test the
student predicts.
"""

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from lgrseg.checkpoint.ema import move
from lgrseg.checkpoint.files import CheckpointError
from lgrseg.modeling.contracts import ClipModel
from lgrseg.structures import Clip, ClipPrediction, ClipTargets, UnlabelledViews


class SemiSupervised(ClipModel):
    """Losses of labelled clips by the student, and of unlabelled views by the objective."""

    has_teacher = True

    def __init__(
        self,
        *,
        student: ClipModel,
        objective: nn.Module,
        weight: Callable[[int], float],
        momentum: Callable[[int], float],
    ):
        """The teacher starts as a copy of the student.

        Args:
            student: takes clips and targets; at test it alone is used.
            objective: `objective(student, teacher, views)` gives losses; `objective.iteration` is
                set before, `objective.follow(momentum)` called after every update of the weights,
                and `objective.monitored` holds numbers to be logged.
            weight: of the objective's losses, at an iteration; while it is 0, unlabelled videos are
                not looked at.
            momentum: m of teacher = m teacher + (1 - m) student, after an iteration.
        """
        super().__init__()
        self.student = student
        self.objective = objective
        self.teacher = copy.deepcopy(student).requires_grad_(False)
        self.num_classes = student.num_classes
        self.weight, self.momentum = weight, momentum
        self.iteration = 0
        self._monitored: dict[str, Tensor] = {}

    @property
    def monitored(self) -> dict[str, Tensor]:
        """Of the last step: the weight of unlabelled videos, and what the objective monitors."""
        return self._monitored

    def loss_totals(self, targets: list[ClipTargets]) -> dict[str, float]:
        """What the losses of labelled clips are divided by: the student's."""
        return self.student.loss_totals(targets)

    def forward(
        self,
        clips: list[Clip],
        targets: list[ClipTargets] | None = None,
        unlabelled: list[UnlabelledViews] | None = None,
        totals: Mapping[str, float | Tensor] | None = None,
    ) -> dict[str, Tensor] | list[ClipPrediction]:
        """Losses in training mode, the student's predictions otherwise.

        Args:
            clips: labelled, of one shape; empty where training needs no labels.
            targets: of every clip.
            unlabelled: videos, the views of all of one shape.
            totals: as in LGRNet.forward; the objective's losses are means over videos.

        Raises:
            ValueError: training without unlabelled videos.
        """
        if not self.training:
            return self.student(clips)
        if not unlabelled:
            raise ValueError(
                "a semi-supervised model is trained with unlabelled videos: set "
                "dataloader.train.unlabelled, or take the supervised config"
            )
        losses = dict(self.student(clips, targets, totals=totals)) if clips else {}
        weight = self.weight(self.iteration)
        self._monitored = {"unlabelled_weight": torch.tensor(weight)}
        if weight == 0 and clips:  # the time is better spent on labels
            # Several processes wait for a gradient of every parameter.
            heads = [p.sum() for p in self.objective.parameters() if p.requires_grad]
            return losses | ({"loss_unlabelled": 0 * sum(heads)} if heads else {})
        found = self.objective(self.student, self.teacher, unlabelled)
        self._monitored |= self.objective.monitored
        return losses | {name: weight * loss for name, loss in found.items()}

    def train(self, mode: bool = True) -> "SemiSupervised":
        """The teacher is never in training mode: it drops nothing."""
        super().train(mode)
        self.teacher.eval()
        return self

    def before_update(self, iteration: int) -> None:
        """Schedules look at the iteration; nothing else of them is kept."""
        self.iteration = self.objective.iteration = iteration

    def after_update(self) -> None:
        """The teacher follows the student's new weights."""
        momentum = self.momentum(self.iteration)
        follow(self.teacher, self.student, momentum)
        self.objective.follow(momentum)

    def complaint(self, means: Mapping[str, float]) -> str | None:
        """What the objective finds wrong, if it looks (LGSD does, for collapsed answers)."""
        return self.objective.complaint(means)

    def deployed(self) -> ClipModel:
        """The student, which alone predicts."""
        return self.student

    def translate(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weights of a student's architecture for student and teacher alike; others as they are.

        The heads of the objective, which such a file does not have, keep their random weights.

        Raises:
            CheckpointError: a teacher without what the objective needs beside it.
        """
        if any(name.startswith("student.") for name in weights):
            own = [name for name in self.state_dict() if name.startswith("objective.")]
            missing = [name for name in own if name not in weights]
            if missing:
                raise CheckpointError(
                    f"the file holds a teacher and a student, but lacks {missing[0]}"
                    + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
                    + " of this objective: a teacher is of no use without its head. Take the file "
                    "of a run of the same objective, or train.init_weights of a plain model, from "
                    "which both start"
                )
            return weights
        weights = self.student.translate(weights)
        return {
            f"{part}.{name}": value
            for part in ("student", "teacher")
            for name, value in weights.items()
        } | {n: v for n, v in self.state_dict().items() if n.startswith("objective.")}


def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Teacher = momentum x teacher + (1 - momentum) x student; whole numbers are copied."""
    move(teacher.state_dict(), student.state_dict(), 1 - momentum)


def student_of(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The student's weights from those of a semi-supervised model; any others as they are."""
    found = {
        name.removeprefix("student."): value
        for name, value in weights.items()
        if name.startswith("student.")
    }
    return found or weights
