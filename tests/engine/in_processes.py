"""What tests/engine/test_torchrun.py lets torchrun start; alone it runs as one process.

in_processes.py gradient FILE | end CONFIG | raise CONFIG
"""

import os
import signal
import sys

import torch
from omegaconf import OmegaConf

from lgrseg.engine import distributed
from lgrseg.engine.hook_base import HookBase
from lgrseg.engine.train_loop import SimpleTrainer
from lgrseg.modeling.backbones import PVTv2
from lgrseg.modeling.criterion import SetCriterion
from lgrseg.modeling.decoder import MaskedDecoder
from lgrseg.modeling.encoder import LGREncoder
from lgrseg.modeling.lgrnet import LGRNet
from lgrseg.structures import Clip, ClipTargets

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


class FourClips:
    """The stream of the four clips, in batches for every process."""

    def __init__(self, batch_size: int):
        self.batch_size = batch_size

    def set_start(self, iteration: int) -> None:
        """Always from the first."""

    def __iter__(self):
        rank, world, batch = distributed.get_rank(), distributed.get_world_size(), 0
        while True:
            first = (batch * world + rank) * self.batch_size
            clips, targets = zip(*map(sample, range(first, first + self.batch_size)), strict=True)
            yield list(clips), list(targets)
            batch += 1


def gradient(
    *, batch_size: int, accumulate: int = 1, dtype: torch.dtype = torch.float64
) -> dict[str, torch.Tensor]:
    """Of the four clips together, as the trainer computes it."""
    torch.manual_seed(0)
    # Stochastic depth at a high rate, so that its draws matter.
    model = small_lgrnet(PVTv2(variant="b0", drop_path_rate=0.5)).to(dtype)
    trainer = SimpleTrainer(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.0),
        device=CPU,
        max_iter=1,
        accumulate=accumulate,
    )
    trainer.loader = FourClips(batch_size)
    trainer.train()
    return {name: p.grad for name, p in model.named_parameters()}


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


def main() -> None:
    """Run the command line."""
    torch.set_num_threads(1)
    task, path = sys.argv[1:]
    if task != "gradient":
        train_and_fail(path, task)
        return
    distributed.init_from_env(CPU)
    batch_size = 4 // distributed.get_world_size()
    found = {
        str(dtype): gradient(batch_size=batch_size, dtype=dtype)
        for dtype in (torch.float64, torch.float32)
    }
    if distributed.is_main_process():
        torch.save(found, path)
    distributed.close()


if __name__ == "__main__":
    main()
