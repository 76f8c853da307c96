"""A run without labels, with adversarial masks: resumed, with pictures, and in two stages."""

import hashlib

import pytest
import torch
from PIL import Image
from stopped_runs import assert_equal_runs, resumed_run

from lgrseg.config import L
from lgrseg.data import (
    DenseSampler,
    LocalGlobalMapper,
    RandomFrameMapper,
    RandomGamma,
    Unlabelled,
)
from lgrseg.engine.run_record import read_commands
from lgrseg.engine.solver import build_adamw
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.engine.writers import read_metrics
from lgrseg.evaluation.probing import PatchProbe
from lgrseg.modeling.foundation import build_encoder
from lgrseg.modeling.pretraining.adversarial_masks import (
    AdversarialMasks,
    CollapsedMasksError,
    MaskNetwork,
)
from lgrseg.modeling.pretraining.exporting import published_weights
from lgrseg.modeling.pretraining.frame_encoder import FrameEncoder
from lgrseg.modeling.pretraining.many_crops import ManyCropsModel
from lgrseg.modeling.pretraining.momentum_contrast import MomentumContrastModel
from lgrseg.modeling.semi_supervised.model import SemiSupervised
from lgrseg.modeling.semi_supervised.schedules import CosineRamp, LinearRamp, SigmoidRamp
from lgrseg.modeling.semi_supervised.self_distillation import LocalGlobalDistillation


@pytest.fixture
def crops_cfg(tiny_cfg):
    """Four steps with two crops of 32 px of each of two frames."""
    tiny_cfg.model = L(ManyCropsModel)(
        backbone=L(build_encoder)(
            name="vfm4us_resnet18",
            weights=None,
            embedding_size=8,
            hidden_sizes=[8, 8, 8, 8],
            depths=[1, 1, 1, 1],
        ),
        hidden_dim=8,
        dim=8,
        masks=L(AdversarialMasks)(network=L(MaskNetwork)(num_levels=2)),
    )
    tiny_cfg.dataloader.train.batch_size = 0
    tiny_cfg.dataloader.train.unlabelled = L(Unlabelled)(
        datasets=["tiny"],
        batch_size=2,
        mapper=L(RandomFrameMapper)(
            size=[32, 32], scale=[0.3, 0.8], num_views=2, augmentations=[L(RandomGamma)()]
        ),
    )
    tiny_cfg.dataloader.test = {}
    tiny_cfg.optimizer = L(build_adamw, partial=True)(lr=1e-2, lr_factors={"masks": 0.5})
    tiny_cfg.train.update({"max_iter": 4, "log_period": 1, "checkpoint_period": 2})
    return tiny_cfg


def test_a_resumed_run_ends_as_one_that_was_not_stopped(crops_cfg, tmp_path):
    crops_cfg.probe = L(PatchProbe)(train="tiny", test="tiny", size=[32, 32], num_videos=2)
    whole = DefaultTrainer(crops_cfg)
    whole.train()
    crops_cfg.probe = None  # it changes nothing
    resumed = resumed_run(crops_cfg, tmp_path / "other", stop_before=2, resume_at=2)
    assert_equal_runs(whole, resumed)
    rates = {group["initial_lr"] for group in whole.optimizer.param_groups}
    assert rates == {1e-2, 5e-3, 1e-3}  # the projector, the mask network and the backbone
    pictures = sorted((tmp_path / "run/pictures").iterdir())
    names = ["masks_000001", "masks_000004", "probe_000000", "probe_000004"]
    assert [path.stem for path in pictures] == names
    assert [Image.open(path).size for path in pictures[1:3]] == [(5 * 32, 64), (4 * 32, 64)]
    probed = [line for line in read_metrics(tmp_path / "run") if "probe/linear_dice" in line]
    assert [line["iteration"] for line in probed] == [0, 4]
    assert all(0 <= line["probe/knn_dice"] <= 1 for line in probed)


def test_a_resumed_run_keeps_its_moving_average(crops_cfg, tmp_path):
    crops_cfg.model = L(MomentumContrastModel)(
        backbone=crops_cfg.model.backbone,
        momentum=L(CosineRamp)(start=0.5, end=1.0, num_iterations="${train.max_iter}"),
        hidden_dim=8,
        dim=8,
    )
    crops_cfg.optimizer.lr_factors = None
    whole = DefaultTrainer(crops_cfg)
    whole.train()
    resumed = resumed_run(crops_cfg, tmp_path / "other", stop_before=2, resume_at=2)
    assert_equal_runs(whole, resumed)
    average, weights = (
        module.state_dict()["model.embedder.embedder.convolution.weight"]
        for module in (resumed.model.average_backbone, resumed.model.backbone)
    )
    assert not torch.equal(average, weights)


def test_a_resumed_run_keeps_teacher_heads_and_centres(crops_cfg, tmp_path):
    crops_cfg.model = L(SemiSupervised)(
        student=L(FrameEncoder)(backbone=crops_cfg.model.backbone),
        objective=L(LocalGlobalDistillation)(
            dim=8,
            num_frame_queries=1,
            num_prototypes=8,
            hidden_dim=8,
            bottleneck_dim=8,
            teacher_temperature=L(LinearRamp)(start=0.04, end=0.04, num_iterations=0),
            hold_prototypes=1,
            global_pairs=True,
        ),
        weight=L(SigmoidRamp)(end=1.0, num_iterations=0),
        momentum=L(CosineRamp)(start=0.5, end=1.0, num_iterations="${train.max_iter}"),
    )
    crops_cfg.dataloader.train.unlabelled.mapper = L(LocalGlobalMapper)(
        global_sampler=L(DenseSampler)(num_frames=1),
        local_sampler=L(DenseSampler)(num_frames=1),
        global_size=[32, 32],
        local_size=[32, 32],
        num_local=2,
    )
    crops_cfg.optimizer.lr_factors = None
    whole = DefaultTrainer(crops_cfg)
    whole.train()
    resumed = resumed_run(crops_cfg, tmp_path / "other", stop_before=2, resume_at=2)
    assert_equal_runs(whole, resumed)


def test_brightness_is_enough_to_find_discs_and_noise_is_not(crops_cfg):
    probe, generator = PatchProbe(train="tiny", test="tiny", size=(32, 32)), torch.Generator()

    def brightness(frames):
        pooled = torch.nn.functional.avg_pool2d(frames, 2)
        return [pooled[:, :1], torch.randn(len(frames), 1, 16, 16, generator=generator)]

    def noise(frames):
        return [torch.randn(len(frames), 2, 16, 16, generator=generator)]

    bright, blind = probe(brightness).scores, probe(noise).scores
    assert bright["linear_dice"] > 0.8 and bright["linear_dice/disc"] == bright["linear_dice"]
    assert bright["knn_dice"] > 0.8
    assert blind["linear_dice"] < 0.3 and blind["knn_dice"] < 0.3
    assert bright["effective_rank"] == pytest.approx(2, abs=0.1)


def test_the_second_stage_starts_from_the_first_and_its_hash_is_recorded(crops_cfg, tmp_path):
    crops_cfg.train.max_iter = 1
    first = DefaultTrainer(crops_cfg)
    first.train()
    assert read_commands(tmp_path / "run")[0]["started_from"] == {}
    file = tmp_path / "coarse.pth"
    torch.save(published_weights(first.model), file)
    crops_cfg.model.backbone.weights = str(file)
    crops_cfg.train.output_dir = str(tmp_path / "fine")
    second = DefaultTrainer(crops_cfg)
    for name, value in first.model.backbone.state_dict().items():
        assert torch.equal(value, second.model.backbone.state_dict()[name]), name
    second.train()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert read_commands(tmp_path / "fine")[0]["started_from"] == {str(file): digest}


def test_a_run_with_collapsed_masks_stops_with_its_reason(crops_cfg):
    trainer = DefaultTrainer(crops_cfg)
    with torch.no_grad():
        trainer.model.masks.network.last.bias[1] = 20
    with pytest.raises(CollapsedMasksError, match="mask 0 covers 0.0% of the images"):
        trainer.train()


def test_a_rate_of_a_part_that_does_not_exist_is_refused(crops_cfg):
    crops_cfg.optimizer.lr_factors = {"mask": 1.0}
    with pytest.raises(ValueError, match="lr_factors has mask, but the parts of the model are"):
        DefaultTrainer(crops_cfg)
