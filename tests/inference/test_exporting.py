"""Exported models give what the original gives, for other numbers of frames too."""

import json

import pytest
import torch
from bright_disc import ROOT
from forked import run_script
from torch import nn

from lgrseg.inference import Predictor
from lgrseg.inference import exporting as ex
from lgrseg.structures import ClipPrediction


class Means(nn.Module):
    """A model whose two classes are the mean brightness of each pixel, and its negative."""

    def __init__(self, *, is_fixed=False):
        super().__init__()
        self.is_fixed = is_fixed

    def forward(self, clips):
        (clip,) = clips
        if self.is_fixed and int(clip.frames.sum()) < 0:  # a decision by the pixels
            raise AssertionError
        logits = clip.frames.mean(dim=1)
        logits = torch.stack([logits, -logits])
        probs = logits.amax(dim=(1, 2, 3))
        return [ClipPrediction(logits, probs, probs > 0)]


@pytest.mark.slow
def test_the_number_of_frames_is_free():
    model = ex.FramesModel(Means())
    frames = torch.rand(7, 3, 4, 5)
    exported = ex.export_program(model, frames[:3])
    assert exported.is_free
    run = exported.program.module()
    for count in (1, 3, 7):
        assert ex.difference(model, run, frames[:count]) == 0
        assert run(frames[:count])[0].shape == (2, count, 4, 5)


@pytest.mark.slow
def test_code_that_cannot_be_followed_is_an_error():
    with pytest.raises(ValueError, match="torch.export cannot follow the code of this model"):
        ex.export_program(ex.FramesModel(Means(is_fixed=True)), torch.rand(3, 3, 4, 5))


def test_differences_are_relative_to_the_largest_value():
    def first(x):
        return [torch.tensor([100.0, 0.0]), torch.tensor([True])]

    def second(x):
        return [torch.tensor([99.0, 0.5]), torch.tensor([True])]

    assert ex.difference(first, second, torch.zeros(1)) == pytest.approx(0.01)


@pytest.mark.slow
def test_the_command(run, shared_data, tmp_path):
    """The tiny U-Net on a real clip, as a program, and as ONNX where it is installed."""
    clip = shared_data / "echo_clips" / "examples_ybr_color.dcm"
    words = ["--run", run, "--output", tmp_path, "--input", clip]
    has_onnx = True
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ImportError:
            has_onnx = False
    if not has_onnx:
        refused = run_script(ROOT / "tools" / "export_model.py", [*words, "--onnx"])
        assert refused.returncode == 1 and "pip install onnx" in refused.stderr
    done = run_script(ROOT / "tools" / "export_model.py", words + ["--onnx"] * has_onnx)
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "model.json").read_text())
    assert facts["free_number_of_frames"] and facts["pt2"]["difference"] <= ex.TOLERANCE
    model = ex.FramesModel(Predictor.from_run(run, device="cpu").members[0].model)
    loaded = torch.export.load(tmp_path / "model.pt2").module()
    assert ex.difference(model, loaded, torch.rand(5, 3, 64, 64)) <= ex.TOLERANCE
    if has_onnx:
        onnx = ex.onnx_runner(tmp_path / "model.onnx")
        assert ex.difference(model, onnx, torch.rand(5, 3, 64, 64)) <= ex.TOLERANCE
