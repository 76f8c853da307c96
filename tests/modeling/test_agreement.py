"""lgrseg/modeling/agreement.py: parts and data that do not fit are refused before any step."""

from pathlib import Path

import pytest
import torch

from lgrseg.config import L, load_config
from lgrseg.data import MetadataCatalog
from lgrseg.data.catalog import classes_by_dataset
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.modeling.agreement import check_classes
from lgrseg.modeling.backbones import MetaFormer
from lgrseg.modeling.building import build_model
from lgrseg.modeling.contracts import ClipModel
from lgrseg.modeling.heads.conv_head import ConvHead
from lgrseg.modeling.heads.fpn_head import FPNHead
from lgrseg.modeling.heads.linear_probe import LinearProbe
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter
from lgrseg.modeling.heads.segvit import SegViT
from lgrseg.modeling.heads.unet_decoder import UNetDecoder
from lgrseg.modeling.heads.upernet import UPerNet
from lgrseg.modeling.lgrnet.decoder import MaskedDecoder
from lgrseg.modeling.lgrnet.encoder import LGREncoder
from lgrseg.modeling.lgrnet.model import LGRNet
from lgrseg.modeling.losses.criterion import SetCriterion
from lgrseg.structures import Clip

ROOT = Path(__file__).parents[2]
CHANNELS = {"res2": 8, "res3": 8, "res4": 16, "res5": 32}
OTHERS = CHANNELS | {"res4": 24}


def backbone():
    return MetaFormer(depths=(1, 1, 1, 1), dims=(8, 8, 16, 32), drop_path_rate=0.0)


def lgrnet(in_channels, *, num_classes=2, **settings):
    small = {"dim": 16, "num_heads": 2}
    return LGRNet(
        backbone=backbone(),
        encoder=LGREncoder(
            in_channels=in_channels, num_layers=1, norm_groups=4, num_scans=1, **small, **settings
        ),
        decoder=MaskedDecoder(num_classes=2, num_queries=4, **small),
        criterion=SetCriterion(num_classes=num_classes, num_points=16),
    )


def test_an_encoder_asks_the_backbone():
    torch.manual_seed(0)
    asked, given = lgrnet(None), lgrnet(CHANNELS)
    assert {n: v.shape for n, v in asked.state_dict().items()} == {
        n: v.shape for n, v in given.state_dict().items()
    }
    assert list(asked.state_dict()) == list(given.state_dict())
    asked.load_state_dict(given.state_dict())
    clip = Clip(torch.rand(2, 1, 64, 64), torch.arange(2), "v")
    a, b = (model.eval()([clip])[0].mask_logits for model in (asked, given))
    assert torch.equal(a, b)


def test_an_encoder_of_another_backbone_is_refused():
    with pytest.raises(ValueError, match="encoder.in_channels is {'res4': 24}.*'res4': 16"):
        lgrnet(OTHERS)
    with pytest.raises(ValueError, match="Identity has no attribute `channels`"):
        LGREncoder().connect(torch.nn.Identity())
    LGREncoder(in_channels=CHANNELS).connect(torch.nn.Identity())  # nothing to compare with


def test_a_criterion_for_other_classes_is_refused():
    with pytest.raises(
        ValueError, match="decoder.num_classes is 2, but criterion.num_classes is 3"
    ):
        lgrnet(CHANNELS, num_classes=3)


@pytest.mark.parametrize("kind", [FPNHead, UPerNet, UNetDecoder, SegViT, ConvHead, LinearProbe])
def test_a_head_of_another_backbone_is_refused(kind):
    of_one_map = kind in (ConvHead, LinearProbe)
    right, wrong = (c["res4"] if of_one_map else c for c in (CHANNELS, OTHERS))
    settings = {"dim": 16} if kind in (FPNHead, UPerNet, SegViT) else {}

    def build(channels):
        head = kind(in_channels=channels, num_classes=2, **settings)
        return PerPixelSegmenter(backbone=backbone(), head=head, num_classes=2)

    build(right)
    with pytest.raises(ValueError, match="head.in_channels is {'res4': 24}.*MetaFormer"):
        build(wrong)


def test_which_data_sets_are_compared():
    train = {"dataset": ["camus_4ch_train", "cardiac_udc_train"], "batch_size": 4}
    test = {"a name of one's own": {"dataset": "phantom_demo_val"}}
    named = classes_by_dataset({"train": train, "test": test})
    assert set(named) == {"camus_4ch_train", "cardiac_udc_train", "phantom_demo_val"}
    assert named["camus_4ch_train"] == MetadataCatalog.get("camus_4ch_train").classes
    assert set(classes_by_dataset({"train": train | {"batch_size": 0}})) == set()


def test_a_model_of_other_classes_is_refused(caplog):
    model = ClipModel()
    check_classes(model, {"a": ("x", "y")})  # it does not say what it predicts
    model.num_classes = 2
    check_classes(model, {"a": ("x", "y"), "b": ("x", "y")})
    with pytest.raises(ValueError, match="another order: a has x, y, and b has y, x"):
        check_classes(model, {"a": ("x", "y"), "c": ("x", "y"), "b": ("y", "x")})
    assert not caplog.records
    check_classes(model, {"a": ("x", "y"), "b": ("x", "z")})
    assert "by their number: a has x, y, and b has x, z" in caplog.text
    with pytest.raises(ValueError, match="predicts 2 classes, b has 3: x, y, z; set num_classes"):
        check_classes(model, {"a": ("x", "y"), "b": ("x", "y", "z")})


def test_a_model_that_is_no_clip_model_is_refused():
    cfg = load_config(ROOT / "configs/baselines/unet.py")
    cfg.model = L(torch.nn.Linear)(in_features=1, out_features=1)
    with pytest.raises(TypeError, match="model is a Linear, but must be a subclass of"):
        build_model(cfg)


def test_the_trainer_compares_before_any_step(tmp_path):
    changes = [
        "model.num_classes=2",
        "dataloader.test={}",
        f"train.output_dir={tmp_path / 'run'}",
        "train.device=cpu",
    ]
    cfg = load_config(ROOT / "configs/baselines/unet.py", changes)
    with pytest.raises(ValueError, match="predicts 2 classes, camus_4ch_train has 3"):
        DefaultTrainer(cfg)
    assert not (tmp_path / "run").exists()
