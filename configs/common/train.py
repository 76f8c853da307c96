"""The settings that every run shares: training loop, optimiser and schedule."""

from omegaconf import OmegaConf

from lgrseg.config import L
from lgrseg.engine.solver import CosineSchedule, build_adamw

train = OmegaConf.create(
    {
        "output_dir": "output/run",  # folder of the run
        "max_iter": 1000,  # iterations: updates of the weights
        "seed": 0,
        "device": "auto",  # auto (cuda if available), cpu, cuda
        "num_threads": 0,  # threads of torch on the CPU; 0: torch's default
        "amp": False,  # autocast to bfloat16
        "deterministic": False,  # bit-identical runs on a GPU too; slower
        "recompute_activations": False,  # less memory, slower steps, equal results
        "compile": False,  # torch.compile of backbone and encoder; takes minutes first
        "accumulate": 1,  # batches per process in one iteration
        "clip_norm": 0.01,  # largest L2 norm of the gradient; null: no limit. See eps below
        "ema_decay": 0.0,  # decay of the averaged weights (evaluated and saved); 0: none
        "init_weights": "",  # start from a .safetensors or .pth, or from apical_simulated
        "find_unused_parameters": False,  # with several processes: allow missing gradients
        "log_period": 20,  # iterations
        "eval_period": 500,  # iterations, on the first test dataset; 0: only at the end
        "checkpoint_period": 500,  # iterations; 0: only at the end
        "keep_checkpoints": 1,  # numbered checkpoints, besides last and best
        "export_videos": 0,  # predicted videos per test dataset, written at the end
        "example_overlays": 0,  # clips shown in TensorBoard at every evaluation
    }
)
# With gradients clipped to 0.01, eps is not negligible: it reduces the median step by 40% at the
# end of a long run (see build_adamw). So a change of clip_norm changes the step, unless eps is
# changed in proportion.
optimizer = L(build_adamw, partial=True)(
    lr=1e-3, backbone_lr_factor=1.0, weight_decay=1e-4, betas=[0.9, 0.999], eps=1e-8
)
schedule = L(CosineSchedule)(max_iter="${train.max_iter}", warmup=100, final=0.01)
