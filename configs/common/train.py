"""What every run shares: the loop's settings, the optimiser and the schedule."""

from omegaconf import OmegaConf

from lgrseg.config import L
from lgrseg.engine.solver import CosineSchedule, build_adamw

train = OmegaConf.create(
    {
        "output_dir": "output/run",  # folder of the run
        "max_iter": 1000,  # iterations: updates of the weights
        "seed": 0,
        "device": "auto",  # auto (cuda where there is one), cpu, cuda
        "num_threads": 0,  # of torch on the CPU; 0: its own choice
        "amp": False,  # autocast to bfloat16
        "deterministic": False,  # the same bits in every run on a GPU too, slower
        "recompute_activations": False,  # less memory, a slower step, the same numbers
        "compile": False,  # backbone and encoder with torch.compile; minutes at the start
        "accumulate": 1,  # batches a process adds up for one iteration
        "clip_norm": 0.01,  # L2 norm of the whole gradient; null: none. See eps below
        "ema_decay": 0.0,  # of the averaged weights that are evaluated and saved; 0: none
        "init_weights": "",  # file to start from: .safetensors, .pth
        "find_unused_parameters": False,  # several processes: allow parameters without gradient
        "log_period": 20,  # iterations
        "eval_period": 500,  # iterations, on the first test dataset; 0: at the end only
        "checkpoint_period": 500,  # iterations; 0: at the end only
        "keep_checkpoints": 1,  # numbered ones, beside last and best
        "export_videos": 0,  # videos of every test dataset, written at the end
        "example_overlays": 0,  # clips drawn into TensorBoard at every evaluation
    }
)
# With gradients clipped to 0.01 eps is not small: it takes 40% of the median step at the end of a
# long run (see build_adamw). A change of clip_norm changes the step unless eps changes with it.
optimizer = L(build_adamw, partial=True)(
    lr=1e-3, backbone_lr_factor=1.0, weight_decay=1e-4, betas=[0.9, 0.999], eps=1e-8
)
schedule = L(CosineSchedule)(max_iter="${train.max_iter}", warmup=100, final=0.01)
