"""What a comparison of backbones needs, in small: a phantom as CAMUS, configs, weights."""

from pathlib import Path

import torch
from safetensors.torch import save_file

from lgrseg.config import L, load_config, save_config
from lgrseg.data.datasets import RAW
from lgrseg.data.phantom import raw_layouts
from lgrseg.data.prepare import prepare
from lgrseg.modeling.foundation import FoundationBackbone, ViTPyramid, build_encoder, frozen
from lgrseg.modeling.heads import FPNHead
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter

CONFIGS = Path(__file__).parents[1] / "configs"
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
FAST = [
    "train.max_iter=3",
    "train.eval_period=0",
    "train.num_threads=1",
    "dataloader.train.batch_size=1",
    "dataloader.train.mapper.input_size=[32,32]",
    "dataloader.test.camus_4ch_val.mapper.input_size=[32,32]",
]


def write_datasets(folder: Path) -> Path:
    """The root of a prepared phantom in CAMUS's layout: two patients to train on, one to test."""
    raw, root = folder / "raw", folder / "datasets"
    raw.mkdir()
    raw_layouts.write_raw_camus(raw, num_patients=4)
    prepare(*RAW["camus"].find_videos(raw), root / "camus", num_workers=1)
    RAW["camus"].finish(raw, root / "camus")
    return root


def write_configs(folder: Path) -> Path:
    """tiny.yaml, of a tiny DINOv2; w.safetensors, its weights; unet.yaml, a whole other model."""
    cfg = load_config(CONFIGS / "baselines" / "unet.py", FAST)
    whole = cfg.copy()
    whole.model.backbone.width, whole.model.backbone.num_levels = 4, 2
    whole.model.head.in_channels = 4
    save_config(whole, folder / "unet.yaml")
    encoder = L(build_encoder)(name="dinov2_small", **TINY)
    names = [f"res{level}" for level in range(2, 6)]
    cfg.model = L(PerPixelSegmenter)(
        backbone=L(FoundationBackbone)(
            encoder=L(frozen)(encoder=encoder),
            neck=L(ViTPyramid)(in_channels=32, stride=14, dim=16),
        ),
        head=L(FPNHead)(in_channels=dict.fromkeys(names, 16), num_classes=3, dim=16),
        num_classes=3,
    )
    save_config(cfg, folder / "tiny.yaml")
    torch.manual_seed(5)
    weights = build_encoder("dinov2_small", **TINY).model.state_dict()
    save_file(weights, folder / "w.safetensors")
    return folder
