"""tools/visualize_features.py as a user runs it."""

import json
import os
import shutil
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch
from forked import run_script
from omegaconf import OmegaConf
from safetensors.torch import save_file
from tiny_encoder import TinyEncoder

from lgrseg.config import L, instantiate, save_config
from lgrseg.modeling.heads.classifier import ClipClassifier, LinearHead
from lgrseg.visualization.overlays import write_mp4

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """clips/a.mp4, 5 frames of 64 x 48 with a moving disc, and a run of a tiny classifier."""
    folder = tmp_path_factory.mktemp("features")
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 60, (5, 48, 64, 1), dtype=np.uint8).repeat(3, axis=-1)
    for index, frame in enumerate(frames):
        cv2.circle(frame, (24 + 3 * index, 24), 10, (220, 220, 220), -1)
    write_mp4(folder / "clips" / "a.mp4", frames, fps=10)
    torch.manual_seed(0)
    head = L(LinearHead)(in_channels=16, num_classes=2)
    model = L(ClipClassifier)(backbone=L(TinyEncoder)(), head=head, num_classes=2)
    run = folder / "run"
    (run / "checkpoints").mkdir(parents=True)
    save_config(OmegaConf.create({"model": model}), run / "config.yaml")
    save_file(instantiate(model).state_dict(), run / "checkpoints" / "last.safetensors")
    return folder


def draw(place, *arguments, source="clips/a.mp4", out="out"):
    environment = os.environ | {"LGRSEG_TRUSTED": "tiny_encoder", "OMP_NUM_THREADS": "1"}
    words = ["--input", source, "--output", out, *arguments]
    tool = ROOT / "tools" / "visualize_features.py"
    return run_script(tool, words, cwd=place, environment=environment)


def test_the_backbone_of_a_run(place):
    words = ("--run", "run", "--size", 64, "--no-crop", "--point", "1,27,24")
    result = draw(place, *words, source="clips")
    assert result.returncode == 0, result.stderr
    assert "1 of 1 clips drawn" in result.stdout and "% of the variance" in result.stdout
    out = place / "out"
    with av.open(str(out / "a_features.mp4")) as file:
        pictures = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    assert len(pictures) == 5 and pictures[0].shape == (342, 3 * 427 + 8 - 1, 3)
    sheet = cv2.imread(str(out / "a_features.png"))
    assert sheet.shape == (3 * 342 + 8, 5 * 427 + 4 * 4, 3)
    facts = json.loads((out / "a_features.json").read_text())
    assert facts["map_size"] == [12, 16] and facts["frames"] == facts["frames_of_the_basis"] == 5
    assert facts["weights"] == "last checkpoint" and 0 < facts["foreground"] < 1
    shares = facts["explained_variance"]
    assert shares[1] >= shares[2] >= shares[3] > 0 and sum(shares[1:]) <= 1 + 1e-9


def test_the_same_clip_gives_the_same_colours(place):
    words = ("--run", "run", "--size", 64, "--no-crop")
    assert draw(place, *words, out="one").returncode == 0
    assert draw(place, *words, out="other").returncode == 0
    one, other = (place / name / "a_features.png" for name in ("one", "other"))
    assert one.read_bytes() == other.read_bytes()


def test_an_encoder_by_name(place):
    words = ("--backbone", "resnet18", "--size", 64, "--stride", 8, "--no-foreground")
    result = draw(place, *words, out="named")
    assert result.returncode == 0, result.stderr
    assert "resnet18 has random weights" in result.stderr
    facts = json.loads((place / "named" / "a_features.json").read_text())
    assert facts["weights"] == "random" and facts["foreground"] == 1 and facts["stride"] == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backbone", "dinov2_smal"], "did you mean 'dinov2_small'"),
        (["--run", "nowhere"], "nowhere is no run"),
        (["--run", "run", "--weights", "w.pth"], "--run has its own weights"),
        (["--run", "run", "--point", "1,2"], "--point is frame,x,y"),
        (["--run", "run", "--point", "5,27,24"], "the point is on frame 5; the clip has 0 to 4"),
        (["--run", "run", "--no-crop", "--point", "1,64,0"], "outside the frame of 64 x 48 px"),
        (["--run", "run", "--stride", "16"], "no map has stride 16; this backbone has [4]"),
        (["--run", "run", "--threshold", "1e9"], "too few for three colours"),
    ],
)
def test_errors_are_one_sentence(place, arguments, message):
    result = draw(place, "--size", 64, *arguments, out="wrong")
    assert result.returncode == 1 and message in result.stderr, result.stderr
    assert "Traceback" not in result.stderr


def test_one_bad_clip_and_no_encoder(place, tmp_path, monkeypatch):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    shutil.copy(place / "clips" / "a.mp4", tmp_path / "in" / "deep" / "a.mp4")
    (tmp_path / "in" / "bad.dcm").write_bytes(b"no")
    # The tool runs in a fork of this process, which sees a PyAV without the encoder.
    monkeypatch.setattr(av, "codecs_available", av.codecs_available - {"libx264"})
    words = ("--run", "run", "--size", 64, "--no-crop")
    result = draw(place, *words, source=tmp_path / "in", out=tmp_path / "out")
    assert result.returncode == 1 and "1 of 2 clips drawn" in result.stdout
    assert f"not drawn: {tmp_path / 'in' / 'bad.dcm'}" in result.stderr
    assert "a_features.mp4 could not be written: this build of PyAV has no libx264" in result.stderr
    names = {p.name for p in (tmp_path / "out" / "deep").iterdir()}
    assert names == {"a_features.png", "a_features.json"}


@pytest.mark.parametrize("source", ["clips", "clips/a.mp4"])
def test_the_folder_of_the_input_is_not_written_to(place, source):
    result = draw(place, "--run", "run", source=source, out="clips")
    assert result.returncode == 1 and "is the folder of the input" in result.stderr
    assert [p.name for p in (place / "clips").iterdir()] == ["a.mp4"]


def test_no_such_clip(place):
    result = draw(place, "--run", "run", source="clips/b.mp4")
    assert result.returncode == 1 and "clips/b.mp4 does not exist" in result.stderr
