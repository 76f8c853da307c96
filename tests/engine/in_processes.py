"""What tests/engine/test_torchrun.py runs in one process, in two forks, and through torchrun.

in_processes.py end CONFIG | raise CONFIG
"""

import functools
import os
import signal
import sys

import torch
from omegaconf import OmegaConf

from lgrseg.comm import processes as distributed
from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.hooks import Teaching
from lgrseg.engine.train_loop import SimpleTrainer
from lgrseg.modeling.backbones import MetaFormer, PVTv2
from lgrseg.modeling.foundation import Encoder, build_encoder
from lgrseg.modeling.lgrnet.decoder import MaskedDecoder
from lgrseg.modeling.lgrnet.encoder import LGREncoder
from lgrseg.modeling.lgrnet.model import LGRNet
from lgrseg.modeling.losses.criterion import SetCriterion
from lgrseg.modeling.pretraining.adversarial_masks import AdversarialMasks, MaskNetwork
from lgrseg.modeling.pretraining.many_crops import ManyCropsModel
from lgrseg.modeling.pretraining.momentum_contrast import MomentumContrastModel
from lgrseg.modeling.semi_supervised.mask_consistency import MaskConsistency
from lgrseg.modeling.semi_supervised.model import SemiSupervised
from lgrseg.modeling.semi_supervised.schedules import LinearRamp, SigmoidRamp
from lgrseg.modeling.semi_supervised.self_distillation import LocalGlobalDistillation
from lgrseg.structures import Clip, ClipTargets, UnlabelledViews

CPU = torch.device("cpu")
SIZE = 64


def small_lgrnet(backbone, *, num_classes: int = 3, num_queries: int = 5) -> LGRNet:
    """A model of width 16 on any backbone."""
    return LGRNet(
        backbone=backbone,
        encoder=LGREncoder(
            in_channels=backbone.channels,
            dim=16,
            num_layers=1,
            num_heads=2,
            num_frame_queries=3,
            num_scans=1,
            pixel_ffn_dim=16,
            query_ffn_dim=16,
            norm_groups=4,
        ),
        decoder=MaskedDecoder(
            num_classes=num_classes, dim=16, num_queries=num_queries, num_heads=2, ffn_dim=16
        ),
        criterion=SetCriterion(num_classes=num_classes, num_points=256),
    )


def sample(number: int) -> tuple[Clip, ClipTargets]:
    """Four clips that differ in objects and annotated frames: 2 x 2, 1 x 1, none, not annotated."""
    labels = [(0, 2), (1,), (), ()][number]
    annotated = [(True, False, True), (False, True, False), (True, True, True), (False,) * 3]
    generator = torch.Generator().manual_seed(number)
    frames = torch.rand(3, 1, SIZE, SIZE, generator=generator)
    masks = torch.zeros(len(labels), 3, SIZE, SIZE, dtype=torch.bool)
    for row in range(len(labels)):
        top = 8 + 16 * row + 4 * number
        masks[row, list(annotated[number]), top : top + 20, 10:50] = True
    clip = Clip(frames, torch.arange(3), f"video{number}", seed=100 + number)
    return clip, ClipTargets(
        torch.tensor(annotated[number]), torch.tensor(labels, dtype=torch.int64), masks
    )


def views(number: int, *, same_pixels: bool = False) -> UnlabelledViews:
    """Two global and three local views of one of four videos; or one view of each, alike."""
    generator = torch.Generator().manual_seed(50 + number)

    def clip(seed: int, num_frames: int, size: int) -> Clip:
        frames = torch.rand(num_frames, 1, size, size, generator=generator)
        return Clip(frames, torch.arange(num_frames), f"video{number}", seed=seed + 10 * number)

    if same_pixels:
        return UnlabelledViews([clip(1, 3, SIZE)], [clip(2, 3, SIZE)])
    return UnlabelledViews(
        [clip(seed, 3, SIZE) for seed in (1, 2)], [clip(seed, 2, 32) for seed in (3, 4, 5)]
    )


class FourClips:
    """The stream of the four clips, in batches for every process; with `views` of each if given."""

    def __init__(self, batch_size: int, views=None, *, labelled: bool = True):
        self.batch_size, self.views, self.labelled = batch_size, views, labelled

    def set_start(self, iteration: int) -> None:
        """Always from the first."""

    def __iter__(self):
        rank, world, batch = distributed.get_rank(), distributed.get_world_size(), 0
        while True:
            first = (batch * world + rank) * self.batch_size
            numbers = range(first, first + self.batch_size)
            clips, targets = zip(*map(sample, numbers), strict=True)
            extra = [list(map(self.views, numbers))] if self.views else []
            yield *((list(clips), list(targets)) if self.labelled else ([], [])), *extra
            batch += 1


def gradient(
    *, batch_size: int, accumulate: int = 1, dtype: torch.dtype = torch.float64
) -> dict[str, torch.Tensor]:
    """Of the four clips together, as the trainer computes it."""
    torch.manual_seed(0)
    # Stochastic depth at a high rate, so that its draws matter.
    model = small_lgrnet(PVTv2(variant="b0", drop_path_rate=0.5)).to(dtype)
    return one_step(model, FourClips(batch_size), accumulate=accumulate)


def one_step(model, loader, *, accumulate: int, hooks=()) -> dict[str, torch.Tensor]:
    """Gradients of one step in which the weights stay as they are."""
    trainer = SimpleTrainer(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.0),
        device=CPU,
        max_iter=1,
        accumulate=accumulate,
    )
    trainer.register_hooks(list(hooks))
    trainer.loader = loader
    trainer.train()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def distilled(
    objective: torch.nn.Module, *, batch_size: int, accumulate: int = 1
) -> dict[str, torch.Tensor]:
    """The gradient with a teacher, and what the objective keeps after the update."""
    torch.manual_seed(0)
    model = SemiSupervised(
        student=small_lgrnet(
            MetaFormer(depths=(1, 1, 1, 1), dims=(8, 8, 16, 32), drop_path_rate=0.5)
        ),
        objective=objective,
        weight=SigmoidRamp(end=10.0, num_iterations=0),
        momentum=LinearRamp(start=0.5, end=0.5, num_iterations=0),
    ).double()
    same_pixels = isinstance(objective, MaskConsistency)
    loader = FourClips(batch_size, functools.partial(views, same_pixels=same_pixels))
    gradients = one_step(model, loader, accumulate=accumulate, hooks=[Teaching()])
    # What was said of the video before, for the log, is of a process.
    buffers = dict(model.objective.named_buffers())
    averaged = [name for name in buffers if name.endswith((".mean", ".mean_square"))]
    kept = {f"buffer.{name}": buffers[name] for name in averaged}
    return kept | gradients


def small_vit() -> Encoder:
    """A ViT of one block with stochastic depth."""
    return build_encoder(
        "dinov2_small",
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=56,
        drop_path_rate=0.5,
    )


def of_crops(*, batch_size: int) -> dict[str, torch.Tensor]:
    """The gradient of EMP-SSL with adversarial masks, of two crops of each of the four videos."""
    torch.manual_seed(0)
    model = ManyCropsModel(
        backbone=small_vit(),
        hidden_dim=16,
        dim=8,
        masks=AdversarialMasks(network=MaskNetwork(num_levels=2), strength=0.5),
    ).double()
    gradients = one_step(model, FourClips(batch_size, views, labelled=False), accumulate=1)
    return gradients | {f"monitored.{name}": value for name, value in model.monitored.items()}


def of_contrast(*, batch_size: int) -> dict[str, torch.Tensor]:
    """The gradient of MoCo v3, of two views of each of the four videos."""
    torch.manual_seed(0)
    model = MomentumContrastModel(
        backbone=small_vit(), momentum=lambda iteration: 0.9, hidden_dim=16, dim=8
    ).double()
    gradients = one_step(model, FourClips(batch_size, views, labelled=False), accumulate=1)
    return gradients | {f"monitored.{name}": value for name, value in model.monitored.items()}


def lgsd() -> LocalGlobalDistillation:
    """For `small_lgrnet`."""
    torch.manual_seed(0)
    return LocalGlobalDistillation(
        dim=16,
        num_frame_queries=3,
        num_prototypes=12,
        hidden_dim=16,
        bottleneck_dim=8,
        teacher_temperature=LinearRamp(start=0.05, end=0.05, num_iterations=0),
    )


class FailOnOne(HookBase):
    """Process 1 ends before its third step."""

    def __init__(self, how: str):
        self.how = how

    def before_step(self) -> None:
        """Die like a process that the kernel kills, or raise."""
        if self.trainer.iteration == 2 and distributed.get_rank() == 1:
            if self.how == "end":
                os.kill(os.getpid(), signal.SIGKILL)
            raise RuntimeError("the video of process 1 fell off the disk")


def train_and_fail(config: str, how: str) -> None:
    """A whole run of a config in which process 1 fails."""
    import conftest  # noqa: F401  (registers the dataset)

    from lgrseg.engine.trainer import DefaultTrainer

    trainer = DefaultTrainer(OmegaConf.load(config))
    trainer.register_hooks([FailOnOne(how)])
    trainer.train()


def save_gradients(path) -> None:
    """Gradients of the four clips, divided among the processes; the first process saves them."""
    distributed.init_from_env(CPU)
    batch_size = 4 // distributed.get_world_size()
    found = {
        str(dtype): gradient(batch_size=batch_size, dtype=dtype)
        for dtype in (torch.float64, torch.float32)
    }
    found["lgsd"] = distilled(lgsd(), batch_size=batch_size)
    found["crops"] = of_crops(batch_size=batch_size)
    found["contrast"] = of_contrast(batch_size=batch_size)
    if distributed.is_main_process():
        torch.save(found, path)


def main() -> None:
    """Run the command line."""
    torch.set_num_threads(1)
    how, config = sys.argv[1:]
    train_and_fail(config, how)


if __name__ == "__main__":
    main()
