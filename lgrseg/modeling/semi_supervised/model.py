"""Semi-supervised training of a student with labels, and with a teacher on unlabelled videos.

The objective defines what the student learns from the teacher: `LocalGlobalDistillation`
(self_distillation.py) or `MaskConsistency` (mask_consistency.py). The teacher is the exponential
moving average of the student (Tarvainen and Valpola, "Mean teachers", NIPS 2017). Predictions are
those of the student.
"""

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lgrseg.checkpoint.ema import move
from lgrseg.checkpoint.files import CheckpointError
from lgrseg.modeling.contracts import ClipModel, Objective
from lgrseg.structures import Clip, ClipPrediction, ClipTargets, UnlabelledViews


class SemiSupervised(ClipModel):
    """Computes losses of the student on labelled clips, and of the objective on other videos."""

    follows_updates = True
    student: ClipModel
    teacher: ClipModel
    objective: Objective

    def __init__(
        self,
        *,
        student: ClipModel,
        objective: Objective,
        weight: Callable[[int], float],
        momentum: Callable[[int], float],
    ):
        """Combine a student and an objective; the teacher starts as a copy of the student.

        Args:
            student: model that takes clips and targets; only the student makes predictions.
            objective: module with `objective(student, teacher, views)`, which returns losses.
                Before each step `objective.iteration` is set, after each update
                `objective.follow(momentum)` is called, and `objective.monitored` has numbers to
                log.
            weight: function from the iteration to the weight of the objective's losses; while it is
                0, unlabelled videos are not used.
            momentum: function from the iteration to m in teacher = m teacher + (1 - m) student.
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
        """Numbers of the last step: the weight of unlabelled videos, and those of the objective."""
        return self._monitored

    def loss_totals(self, targets: Sequence[ClipTargets]) -> dict[str, float] | None:
        """Normalisers of the losses of labelled clips, from the student."""
        return self.student.loss_totals(targets)

    def forward(
        self,
        clips: list[Clip],
        targets: list[ClipTargets] | None = None,
        unlabelled: list[UnlabelledViews] | None = None,
        totals: Mapping[str, float | Tensor] | None = None,
    ) -> dict[str, Tensor] | list[ClipPrediction]:
        """Return losses in training mode, otherwise the student's predictions.

        Args:
            clips: labelled clips of one shape; empty for training without labels.
            targets: targets of every clip.
            unlabelled: views of unlabelled videos, all of the same shapes.
            totals: normalisers of the student's losses, as in LGRNet.forward; the objective's
                losses are means over videos.

        Raises:
            ValueError: unlabelled videos are missing in training.
        """
        if not self.training:
            return self.student(clips)
        if not unlabelled:
            raise ValueError(
                "a semi-supervised model is trained with unlabelled videos: set "
                "dataloader.train.unlabelled, or use the supervised config"
            )
        losses = dict(self.student(clips, targets, totals=totals)) if clips else {}
        weight = self.weight(self.iteration)
        self._monitored = {"unlabelled_weight": torch.tensor(weight)}
        if weight == 0 and clips:  # unlabelled videos would have no effect
            # With several processes, torch needs a gradient of every parameter.
            heads = [p.sum() for p in self.objective.parameters() if p.requires_grad]
            return losses | ({"loss_unlabelled": 0 * sum(heads)} if heads else {})
        unlabelled_losses = self.objective(self.student, self.teacher, unlabelled)
        self._monitored |= self.objective.monitored
        return losses | {name: weight * loss for name, loss in unlabelled_losses.items()}

    def train(self, mode: bool = True) -> "SemiSupervised":
        """Set the mode of the student; the teacher is in evaluation mode, except its batch norms.

        They have the mode of the student's, as in DINO: they normalise by the batch in training.
        Running statistics would be those of other weights, and from random weights the maps of a
        deep encoder would vanish.
        """
        super().train(mode)
        self.teacher.eval()
        for module, followed in zip(self.teacher.modules(), self.student.modules(), strict=True):
            if isinstance(module, _BatchNorm):
                module.train(followed.training)
        return self

    def before_update(self, iteration: int) -> None:
        """Set the iteration for the schedules."""
        self.iteration = self.objective.iteration = iteration

    def after_update(self) -> None:
        """Update the teacher with the student's new weights."""
        momentum = self.momentum(self.iteration)
        follow(self.teacher, self.student, momentum)
        self.objective.follow(momentum)

    def complaint(self, means: Mapping[str, float]) -> str | None:
        """Describe a problem of the objective, such as collapsed outputs; None if there is none."""
        return self.objective.complaint(means)

    def deployed(self) -> ClipModel:
        """The student, because only the student predicts."""
        return self.student

    def translate(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Copy weights of a plain model to student and teacher; return other weights unchanged.

        Such a file has no heads of the objective; these keep their random weights.

        Raises:
            CheckpointError: the file has a teacher, but lacks weights of the objective.
        """
        if any(name.startswith("student.") for name in weights):
            objective_names = [name for name in self.state_dict() if name.startswith("objective.")]
            missing = [name for name in objective_names if name not in weights]
            if missing:
                raise CheckpointError(
                    f"the file has a teacher and a student, but lacks {missing[0]}"
                    + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
                    + " of this objective, and a teacher is useless without its head. Use the file "
                    "of a run with the same objective, or a file of a plain model, from which "
                    "student and teacher both start"
                )
            return weights
        weights = self.student.translate(weights)
        return {
            f"{part}.{name}": value
            for part in ("student", "teacher")
            for name, value in weights.items()
        } | {n: v for n, v in self.state_dict().items() if n.startswith("objective.")}


def follow(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """Set teacher = momentum x teacher + (1 - momentum) x student; integers are copied."""
    move(teacher.state_dict(), student.state_dict(), 1 - momentum)


def student_of(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Select the student's weights of a semi-supervised model; return other weights unchanged."""
    student_weights = {
        name.removeprefix("student."): value
        for name, value in weights.items()
        if name.startswith("student.")
    }
    return student_weights or weights
