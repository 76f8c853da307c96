"""What every run shares: the loop's settings, the optimiser and the schedule."""

from lgrseg.config import L
from lgrseg.engine.solver import CosineSchedule, build_adamw
from omegaconf import OmegaConf

train = OmegaConf.create(
    {
        "output_dir": "output/run",
        "max_iter": 1000,  # optimiser steps
        "seed": 0,
        "device": "auto",  # auto: cuda where there is one, else cpu
        "amp": False,  # bf16 autocast
        "accumulate": 1,  # batches an optimiser step
        "clip_norm": 0.01,  # L2 norm of all gradients; null: no clipping
        "ema_decay": 0.0,  # of the averaged weights that are evaluated and saved; 0: none
        "log_period": 20,  # steps
        "eval_period": 500,  # steps; 0: only at the end
        "checkpoint_period": 500,  # steps
        "keep_checkpoints": 1,  # of the numbered ones, beside last and best
        "init_weights": "",  # a checkpoint to start from
        "num_threads": 0,  # of torch on the CPU; 0: its own choice
        "export_videos": 0,  # whole videos of every test dataset to write at the end
    }
)
optimizer = L(build_adamw, partial=True)(
    lr=1e-3, backbone_lr_factor=1.0, weight_decay=1e-4, betas=[0.9, 0.999]
)
schedule = L(CosineSchedule)(max_iter="${train.max_iter}", warmup=100, final=0.01)
