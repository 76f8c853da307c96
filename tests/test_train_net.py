"""tools/train_net.py as a user runs it: two clips are learnt by heart through the command line."""

import json
import os
from pathlib import Path

import pytest
from forked import run_script

from lgrseg.data.datasets import phantom
from lgrseg.data.phantom import presets, raw_layouts
from lgrseg.data.prepare import prepare

ROOT = Path(__file__).parents[1]


def write_two_videos(root):
    """A prepared phantom of two videos, the same in every split, with one annotated frame each."""
    raw = root / "raw"
    scans = presets.scans("demo")
    for site in ("Site_P_1", "Site_P_3", "Site_P_4"):
        for number in (1, 5):
            scan = scans[f"Site_P_1/patient{number}-4"]
            scan.num_frames, scan.slide_mm = 3, 0.0
            raw_layouts.write_scan(raw, f"{site}/patient{number}-4", scan, annotated=[1])
    videos, problems = phantom.PhantomSource("demo").find_videos(raw)
    report = prepare(videos, problems, root / "phantom_demo")
    assert report.num_usable == 6
    return root


@pytest.fixture(scope="module")
def two_videos(tmp_path_factory):
    return write_two_videos(tmp_path_factory.mktemp("datasets"))


def run(root, *arguments, check=True):
    environment = os.environ | {"LGRSEG_DATASETS": str(root), "OMP_NUM_THREADS": "1"}
    tool = ROOT / "tools" / "train_net.py"
    result = run_script(tool, arguments, cwd=root, environment=environment)
    assert not check or result.returncode == 0, result.stderr
    return result


def test_two_clips_are_learnt_by_heart(two_videos, tmp_path):
    config = ROOT / "configs" / "lgrnet" / "demo.py"
    loaders = ("train", "test.phantom_demo_test")
    only = ("--datasets", "phantom_demo_test")  # the validation videos are the same
    fast = [
        *(f"dataloader.{loader}.mapper.input_size=[96,96]" for loader in loaders),
        "dataloader.train.mapper.augmentations=[]",
        "dataloader.train.mapper.frame_sampler.num_frames=1",
        "dataloader.test.phantom_demo_test.mapper.frame_sampler.num_frames=1",
        "model.backbone.drop_path_rate=0",
        "train.max_iter=45",
        "train.eval_period=0",
        "train.checkpoint_period=0",
        "train.export_videos=1",
        "schedule.warmup=10",
    ]
    out = tmp_path / "run"
    run(two_videos, "--config-file", config, *only, *fast, f"train.output_dir={out}")
    folder = out / "eval" / "phantom_demo_test"
    results = json.loads((folder / "results.json").read_text())
    assert results["mean"]["dice"] > 0.95
    (film,) = (folder / "videos").glob("*.mp4")  # of the worse video
    assert film.stat().st_size > 1000
    page = (folder / "report.html").read_text()
    assert "<video" in page and "tools/train_net.py --config-file" in page
    # The finished run's own config evaluates to the same numbers; the weights that a backbone once
    # started from need not be there.
    gone = "model.backbone.weights=gone.pth"
    run(two_videos, "--config-file", out / "config.yaml", "--eval-only", *only, gone)
    again = json.loads((folder / "results.json").read_text())
    assert again["mean"] == results["mean"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train.max_itre=1"], "no config key 'train.max_itre'; did you mean 'max_iter'"),
        (["dataloader.train.dataset=phantom_demo_trian"], "the nearest are phantom_demo_train, "),
        (
            ["dataloader.test.phantom_demo_val.dataset=phantom_demo_vla"],
            "the nearest are phantom_demo_val, ",
        ),
        (["dataloader.test.phantom_demo_val.dataset=camus_4ch_val"], "creatis.insa-lyon.fr"),
        (["train.amp=banana"], "train.amp is true or false, not 'banana'"),
        (["train.recompute_activations=flase"], "activations is true or false, not 'flase'"),
        (["train.clip_norm=none"], "train.clip_norm is a finite number, or null, not 'none'"),
        (["optimizer.lr=fast"], "optimizer.lr is a finite number, not 'fast'"),
        (["schedule.final=.nan"], "schedule.final is a finite number, not nan"),
        (["model.decoder.dim=65"], "MaskedDecoder) cannot be built with num_classes=4, dim=65"),
        (["model.decoder._target_=lgrseg.modeling.lgrnet.decoder.MaskDecoder"], "'MaskedDecoder'"),
        (["train=5"], "train is 5"),
        (["dataloader.test=none"], "dataloader.test is 'none'; it describes a loader"),
        (["dataloader.train.dataset=camus_4ch_train"], "4 classes, camus_4ch_train has 3"),
    ],
)
def test_errors_are_one_sentence(two_videos, tmp_path, arguments, message):
    config = ROOT / "configs" / "lgrnet" / "demo.py"
    result = run(
        two_videos,
        "--config-file",
        config,
        f"train.output_dir={tmp_path / 'run'}",
        *arguments,
        check=False,
    )
    assert result.returncode == 1
    assert message in result.stderr and "Traceback" not in result.stderr
