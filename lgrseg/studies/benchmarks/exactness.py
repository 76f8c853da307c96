"""Cost of reproducibility: a training step with and without random numbers per clip.

"Exact" seeds before the step, draws points and dropped paths from the generator of each clip, and
divides by totals that are counted before the step; "loose" does none of this.
"""

from pathlib import Path

import torch

from lgrseg.config import instantiate, load_config
from lgrseg.engine.random_numbers import seed_everything
from lgrseg.structures import Clip, ClipTargets
from lgrseg.studies.benchmarks.timing import Comparison, in_turns

CONFIG = Path("configs/lgrnet/base.py")


def run(*, repeats: int) -> Comparison:
    """Time forward and backward passes of BASIC on two CAMUS clips, and print the result."""
    torch.manual_seed(0)
    model = instantiate(load_config(CONFIG).model)
    clips, targets = zip(*map(_sample, range(2)), strict=True)

    def exact():
        seed_everything(0, 1)
        totals = model.loss_totals(list(targets))
        sum(model(list(clips), list(targets), totals).values()).backward()

    def loose():
        outputs = model.decode(list(clips))
        sum(model.criterion(outputs, list(targets)).values()).backward()

    timings = in_turns({"exact": exact, "loose": _without_draws(model, loose)}, repeats=repeats)
    return Comparison("Forward and backward, 2 clips of 2 x 256 x 256", timings, "loose").show()


def _without_draws(model: torch.nn.Module, step):
    from lgrseg.layers.drop_path import DropPath

    def run_step():
        for module in model.modules():
            if isinstance(module, DropPath):
                module.drawn = None
        step()

    return run_step


def _sample(number: int) -> tuple[Clip, ClipTargets]:
    masks = torch.zeros(3, 2, 256, 256, dtype=torch.bool)
    for row in range(3):
        masks[row, :, 40 * row + 20 : 40 * row + 90, 60:180] = True
    clip = Clip(torch.rand(2, 1, 256, 256), torch.arange(2), f"clip{number}", seed=number)
    return clip, ClipTargets(torch.ones(2, dtype=torch.bool), torch.arange(3), masks)
