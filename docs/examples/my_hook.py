"""A hook of your own: write the norm of the weights into metrics.jsonl and TensorBoard.

python my_hook.py configs/lgrnet/base.py train.output_dir=output/with_hook
"""

import sys

import torch

from lgrseg.config import load_config
from lgrseg.engine import DefaultTrainer, HookBase


class WeightNorm(HookBase):
    """Adds "weight_norm" to the metrics of every step."""

    def after_step(self) -> None:
        """Compute the L2 norm of all trained weights."""
        weights = [p.detach() for p in self.trainer.model.parameters() if p.requires_grad]
        self.trainer.metrics["weight_norm"] = torch.nn.utils.get_total_norm(weights)


class MyTrainer(DefaultTrainer):
    """The default trainer with one more hook."""

    def build_hooks(self) -> list[HookBase]:
        """Put the hook first, so that those that write metrics see its value."""
        return [WeightNorm(), *super().build_hooks()]


if __name__ == "__main__":
    trainer = MyTrainer(load_config(sys.argv[1], sys.argv[2:]))
    trainer.resume_or_load(resume=False)
    trainer.train()
