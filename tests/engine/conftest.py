"""A run small enough for tests: six clips of two 32 x 32 frames, and a U-Net of two levels."""

import numpy as np
import pytest
from in_processes import small_lgrnet
from omegaconf import OmegaConf

from lgrseg.config import L
from lgrseg.data import (
    ClipMapper,
    DenseSampler,
    HybridSampler,
    LocalGlobalMapper,
    RandomGamma,
    Unlabelled,
    WholeVideoSampler,
    build_test_loader,
    build_train_loader,
)
from lgrseg.data.catalog import DatasetCatalog, Metadata, MetadataCatalog, data_root
from lgrseg.data.store import read_records, write_video
from lgrseg.engine.solver import CosineSchedule, build_adamw
from lgrseg.evaluation import SegmentationEvaluator
from lgrseg.modeling.backbones import MetaFormer
from lgrseg.modeling.heads import PixelHead
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter, UNet
from lgrseg.modeling.semi_supervised.model import SemiSupervised
from lgrseg.modeling.semi_supervised.schedules import CosineRamp, LinearRamp, SigmoidRamp
from lgrseg.modeling.semi_supervised.self_distillation import LocalGlobalDistillation

SIZE = 32


def write_tiny_videos(root, count=6):
    """Clips with a bright disc, which is the one structure."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    for number in range(count):
        rng = np.random.default_rng(number)
        masks = {}
        frames = rng.integers(0, 80, (2, SIZE, SIZE), dtype=np.uint8)
        for frame in range(2):
            row, column = rng.integers(10, 22, 2)
            masks[frame] = ((rows - row) ** 2 + (columns - column) ** 2 < 49).astype(np.uint8)
            frames[frame][masks[frame] > 0] += 120
        meta = {
            "video_id": f"patient{number:04d}_4CH",
            "original_size": [SIZE, SIZE],
            "crop_box": [0, 0, SIZE, SIZE],
            "spacing_mm": [1.0, 1.0],
            "fps": None,
            "site": None,
            "patient": f"patient{number:04d}",
            "view": "4CH",
            "sources": [],
        }
        write_video(root, frames, masks, meta)


def _list_tiny():
    return read_records(data_root() / "tiny")


if "tiny" not in DatasetCatalog.list():
    DatasetCatalog.register("tiny", _list_tiny)
    MetadataCatalog.register("tiny", Metadata(classes=("disc",), colors=((255, 0, 0),)))


@pytest.fixture
def tiny_cfg(tmp_path, monkeypatch):
    """The config of the run; 6 iterations of 2 clips into tmp_path / "run"."""
    monkeypatch.setenv("LGRSEG_DATASETS", str(tmp_path / "data"))
    write_tiny_videos(tmp_path / "data" / "tiny")
    mapper = {"frame_sampler": L(WholeVideoSampler)(), "input_size": [SIZE, SIZE]}
    return OmegaConf.create(
        {
            "train": {
                "output_dir": str(tmp_path / "run"),
                "max_iter": 6,
                "seed": 3,
                "device": "cpu",
                "clip_norm": 1.0,
                "log_period": 2,
            },
            "model": L(PerPixelSegmenter)(
                backbone=L(UNet)(width=4, num_levels=2),
                head=L(PixelHead)(in_channels=4, num_classes=1),
                num_classes=1,
            ),
            "optimizer": L(build_adamw, partial=True)(lr=1e-2, weight_decay=0.1),
            "schedule": L(CosineSchedule)(max_iter=6, warmup=2),
            "dataloader": {
                "train": L(build_train_loader)(
                    dataset="tiny",
                    mapper=L(ClipMapper)(**mapper, augmentations=[L(RandomGamma)()]),
                    batch_size=2,
                ),
                "test": {
                    "tiny": L(build_test_loader)(dataset="tiny", mapper=L(ClipMapper)(**mapper))
                },
            },
            "evaluator": L(SegmentationEvaluator, partial=True)(protocol="discs"),
        }
    )


@pytest.fixture
def lgsd_cfg(tiny_cfg, monkeypatch):
    """The same run by a small LGRNet, with labels of half the patients, and LGSD on all videos."""
    student = L(small_lgrnet)(
        backbone=L(MetaFormer)(depths=[1] * 4, dims=[8, 8, 16, 32], drop_path_rate=0.2),
        num_classes=1,
        num_queries=2,
    )
    monkeypatch.setenv("LGRSEG_TRUSTED", "in_processes")  # a run reads its config.yaml again
    tiny_cfg.model = L(SemiSupervised)(
        student=student,
        objective=L(LocalGlobalDistillation)(
            dim=16,
            num_frame_queries=3,
            num_prototypes=8,
            hidden_dim=8,
            bottleneck_dim=4,
            teacher_temperature=L(LinearRamp)(start=0.04, end=0.07, num_iterations=6),
        ),
        weight=L(SigmoidRamp)(end=1.0, num_iterations=4),
        momentum=L(CosineRamp)(start=0.8, end=1.0, num_iterations=6),
    )
    tiny_cfg.dataloader.train.label_fraction = 0.5
    tiny_cfg.dataloader.train.unlabelled = L(Unlabelled)(
        batch_size=1,
        mapper=L(LocalGlobalMapper)(
            global_sampler=L(HybridSampler)(num_frames=3),
            local_sampler=L(DenseSampler)(num_frames=1),
            global_size=[SIZE, SIZE],
            local_size=[SIZE, SIZE],
            num_local=2,
        ),
    )
    return tiny_cfg
