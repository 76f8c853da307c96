"""The config of each row, and what is refused before any run."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lgrseg.config import L, instantiate, load_config, save_config
from lgrseg.data import AnnotatedMapper
from lgrseg.modeling.foundation import (
    FoundationBackbone,
    InterleavedEncoder,
    InterleavedNeck,
    ResizedPyramid,
    ViTPyramid,
    build_encoder,
    frozen,
    unfrozen_last,
)
from lgrseg.modeling.heads import ConvHead, FPNHead
from lgrseg.studies.comparison.disk import plan
from lgrseg.studies.comparison.encoder_settings import layers_at_depth
from lgrseg.studies.comparison.prepared import (
    Prepared,
    prepare,
    prepare_fine_tuned,
    with_fixed_copies,
)
from lgrseg.studies.comparison.rows import Row

UNET = Path(__file__).parents[3] / "configs" / "baselines" / "unet.py"
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
STAGES = {"depths": [1, 1, 1, 1], "hidden_sizes": [8, 16, 24, 32], "embedding_size": 8}
FOUR = dict.fromkeys(["res2", "res3", "res4", "res5"], 16)


def shared(copies=0):
    """CAMUS at 32 px, its model still a U-Net."""
    sizes = [
        f"dataloader.{part}.mapper.input_size=[32,32]" for part in ("train", "test.camus_4ch_val")
    ]
    return with_fixed_copies(load_config(UNET, sizes), copies)


def with_head(cfg, encoder, neck=None, head=None):
    cfg.model.backbone = L(FoundationBackbone)(encoder=encoder, neck=neck)
    cfg.model.head = head or L(FPNHead)(in_channels=FOUR, num_classes=3, dim=16)
    return cfg


def test_tests_are_never_augmented():
    cfg = shared(copies=3)
    train, test = (instantiate(loader.mapper) for loader in
                   (cfg.dataloader.train, cfg.dataloader.test.camus_4ch_val))  # fmt: skip
    assert train.copies == 3 and len(train.augmentations) == 4
    assert test.copies == 0 and not test.augmentations
    cfg.dataloader.train.mapper = L(AnnotatedMapper)(num_frames=2, input_size=[32, 32])
    with pytest.raises(ValueError, match="AnnotatedMapper have no key and cannot be cached"):
        with_fixed_copies(cfg, 0)


def test_neck_and_head_follow_the_encoder():
    own = L(frozen)(encoder=L(build_encoder)(name="dinov2_small", **SMALL))
    cfg = with_head(shared(), own)
    plain = prepare(Row.parse("dinov3_vits16"), cfg)
    # What the config sets for its own encoder is kept; a pyramid is put behind one map.
    assert plain.cfg.model.backbone.encoder.encoder.hidden_size == 32
    assert dict(plain.cfg.model.head.in_channels) == dict.fromkeys(FOUR, 256)
    assert plain.bytes_per_frame == 4 * 32 * 2 * 2 and plain.random_frozen
    probe = with_head(cfg, own, L(ResizedPyramid)(in_channels=1, stride=1),
                      L(ConvHead)(in_channels=1, num_classes=3))  # fmt: skip
    resized = prepare(Row.parse("dinov2_small"), probe)
    assert resized.cfg.model.head.in_channels == 32 and resized.cfg.model.backbone.neck.stride == 14
    assert resized.bytes_per_frame == 4 * 32 * 3 * 3  # ceil(32 / 14) a side
    assert resized.encoder_hash != plain.encoder_hash
    stages = with_head(cfg, L(build_encoder)(name="resnet18", **STAGES))
    found = prepare(Row.parse("resnet18"), stages)
    assert found.cfg.model.backbone.neck is None
    assert list(found.cfg.model.head.in_channels.values()) == [8, 16, 24, 32]
    for prepared in (plain, resized, found):
        model = instantiate(prepared.cfg.model)
        assert not any(p.requires_grad for p in model.backbone.encoder.parameters())
    with pytest.raises(ValueError, match="no setting 'hidden_sizes'"):
        prepare(Row.parse("swin_tiny"), stages)


def test_a_fine_tuned_row_is_trained_and_not_cached(tmp_path):
    cfg = with_head(load_config(UNET), L(build_encoder)(name="dinov2_small", **SMALL))
    torch.manual_seed(3)
    weights = build_encoder("dinov2_small", **SMALL).model.state_dict()
    save_file(weights, tmp_path / "w.safetensors")
    file = str(tmp_path / "w.safetensors")
    loaded = prepare_fine_tuned(Row("a", "dinov2_small", file), cfg)
    random = prepare_fine_tuned(Row("b", "dinov2_small"), cfg)
    assert loaded.encoder_hash and random.encoder_hash is None  # every seed has its own
    for row in (loaded, random):
        assert not row.is_cached and not row.random_frozen
        blocks = instantiate(row.cfg.model).backbone.encoder.blocks
        assert all(p.requires_grad for block in blocks for p in block.parameters())
        assert row.cfg.dataloader == cfg.dataloader  # with its random augmentation
    frozen_row = prepare(Row("a", "dinov2_small", file), with_fixed_copies(cfg, 0))
    assert frozen_row.encoder_hash == loaded.encoder_hash and frozen_row.is_cached


def test_whole_configs(tmp_path):
    def prepared(model_of):
        cfg = load_config(UNET)
        cfg.optimizer.lr = 0.5
        save_config(model_of(cfg), tmp_path / "other.yaml")
        return prepare(Row.parse(f"config:{tmp_path / 'other.yaml'}"), shared())

    trained = prepared(lambda cfg: cfg)
    assert trained.cfg.optimizer.lr == 0.5 and trained.cfg.dataloader.train.mapper.copies == 0
    assert trained.encoder_hash is None and not trained.random_frozen
    # A frozen encoder's features are kept here too, and random ones are told of.
    both = L(InterleavedEncoder)(
        stages=L(build_encoder)(name="resnet18", **STAGES),
        patches=L(build_encoder)(name="dinov2_small", **SMALL),
    )
    neck = L(InterleavedNeck)(stage_channels=[8, 16, 24, 32], patch_channels=32, dim=4)
    widths = {"res2": 12, "res3": 20, "res4": 28, "res5": 36}
    head = L(FPNHead)(in_channels=widths, num_classes=3, dim=16)
    kept = prepared(lambda cfg: with_head(cfg, L(frozen)(encoder=both), neck, head))
    assert kept.random_frozen and kept.features_name == "other"
    assert kept.bytes_per_frame == 4 * (8 * 64 + 16 * 16 + 24 * 4 + 32 + 32 * 9)
    partly = L(unfrozen_last)(encoder=L(build_encoder)(name="resnet18", **STAGES), num_blocks=1)
    channels = dict(zip(FOUR, STAGES["hidden_sizes"], strict=True))
    head = L(FPNHead)(in_channels=channels, num_classes=3, dim=16)
    tuned = prepared(lambda cfg: with_head(cfg, partly, None, head))
    assert tuned.encoder_hash is None and tuned.random_frozen


def test_layers_are_at_the_same_parts_of_every_depth():
    assert layers_at_depth([3, 5, 7, 11], 12, 24) == [7, 11, 15, 23]
    assert layers_at_depth([7, 11, 15, -1], 24, 12) == [3, 5, 7, 11]
    assert layers_at_depth([0, 11], 12, 2) == [0, 1]
    tiny = {"hidden_size": 16, "num_attention_heads": 2}
    own = L(build_encoder)(name="dinov2_small", layers=[3, 5, 7, -1], drop_path_rate=0.1, **tiny)
    cfg = with_head(shared(), own, L(ViTPyramid)(in_channels=1, stride=1, dim=8))
    deeper = prepare(Row.parse("dinov2_large"), cfg)  # 24 blocks
    described = deeper.cfg.model.backbone.encoder.encoder
    assert list(described.layers) == [7, 11, 15, 23] and "drop_path_rate" not in described
    assert deeper.blocks == "after 8, 12, 16, 24 of 24 blocks"
    assert prepare(Row.parse("dinov2_small"), cfg).blocks == "after 4, 6, 8, 12 of 12 blocks"
    # Layers are not for an encoder with stages, and it has none of them.
    own = L(build_encoder)(name="dinov2_small", layers=[3, 5, 7, -1], drop_path_rate=0.1, **STAGES)
    stages = prepare(Row.parse("resnet18"), with_head(shared(), own))
    assert "layers" not in stages.cfg.model.backbone.encoder.encoder
    assert stages.blocks == "after each of 4 stages"


def test_weights_of_the_shared_configs_own_encoder_are_refused():
    own = L(frozen)(encoder=L(build_encoder)(name="dinov2_small", weights="w.pth", **SMALL))
    key = "model.backbone.encoder.encoder.weights=w.pth would have no effect"
    with pytest.raises(ValueError, match=f"{key}.*--backbones as dinov2_small=w.pth"):
        prepare(Row.parse("dinov3_vits16"), with_head(shared(), own))


def test_a_shared_config_without_a_head_for_them_is_refused():
    lgrnet = UNET.parents[1] / "lgrnet" / "base.py"
    cfg = with_fixed_copies(load_config(lgrnet), 0)
    with pytest.raises(ValueError, match="model is lgrseg.modeling.lgrnet.model.LGRNet: use"):
        prepare(Row.parse("resnet18"), cfg)
    cfg = shared()
    cfg.model.backbone = L(build_encoder)(name="resnet18", **STAGES)
    with pytest.raises(ValueError, match="PixelHead reads res0.*are res2, res3, .*head.feature"):
        prepare(Row.parse("resnet18"), cfg)
    cfg.model.head = L(FPNHead)(in_channels={"res1": 4, "res2": 4}, num_classes=3, dim=16)
    with pytest.raises(ValueError, match="FPNHead reads res1, but .*: use a config"):
        prepare(Row.parse("resnet18"), cfg)


def test_overrides_of_a_whole_config(tmp_path):
    torch.manual_seed(5)  # other weights than those that random frozen ones have
    save_file(build_encoder("dinov2_small", **SMALL).model.state_dict(), tmp_path / "w.safetensors")
    own = L(frozen)(encoder=L(build_encoder)(name="dinov2_small", **SMALL))
    cfg = with_head(load_config(UNET), own, L(ViTPyramid)(in_channels=32, stride=14, dim=16))
    save_config(cfg, tmp_path / "vit.yaml")

    def prepared(*overrides):
        return prepare(
            Row.parse(",".join([f"config:{tmp_path / 'vit.yaml'}", *overrides])), shared()
        )

    weights = f"model.backbone.encoder.encoder.weights={tmp_path / 'w.safetensors'}"
    plain, loaded = prepared(), prepared(weights, "optimizer.lr=0.25", "train.clip_norm=3")
    assert plain.random_frozen and not loaded.random_frozen and plain.blocks is None
    assert plain.encoder_hash != loaded.encoder_hash
    assert loaded.cfg.optimizer.lr == 0.25 and loaded.cfg.train.clip_norm == 3
    with pytest.raises(ValueError, match="train.max_iter=3 of vit would have no effect"):
        prepared("train.max_iter=3")
    with pytest.raises(ValueError, match="did you mean 'weights'"):
        prepared(weights.replace("weights=", "wieghts="))


def test_the_disk_is_known_before(monkeypatch, tmp_path):
    cfg = shared(copies=4)
    monkeypatch.setattr("lgrseg.studies.comparison.disk.num_images", lambda cfg, fraction: 2**20)
    cached = Prepared(Row("a"), cfg, "hash", is_cached=True, bytes_per_frame=2**12)
    rows = [cached, Prepared(Row("b"), cfg)]
    settings = {"cache": tmp_path / "none" / "yet", "limit_gib": 2.5}
    lines = plan(rows, cfg, 1.0, precision="float16", **settings)
    assert lines[0] == "features of a: at most 2.000 GiB" and len(lines) == 2
    assert "4 copies of each training clip" in lines[1] and "as float16" in lines[1]
    with pytest.raises(ValueError, match="up to 4.0 GiB.*--max-cache-gib=2.5.*fewer --copies"):
        plan(rows, cfg, 1.0, precision="float32", **settings)
