"""Exported models give what the original gives, for other numbers and sizes of frames too."""

import json

import pytest
import torch
import torch.nn.functional as F
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


class Strided(nn.Module):
    """A model of one class: a strided convolution, whose result is resized to stride 2.

    `only` has the lengths of axes without which it fails.
    """

    def __init__(self, only=None):
        super().__init__()
        self.only = only or {}
        self.conv = nn.Conv2d(3, 1, 7, 4, 3)

    def forward(self, clips):
        (clip,) = clips
        if any(clip.frames.shape[axis] != length for axis, length in self.only.items()):
            raise AssertionError
        maps = F.interpolate(self.conv(clip.frames), scale_factor=2.0, mode="bilinear")
        logits = maps.transpose(0, 1)
        probs = logits.amax(dim=(1, 2, 3))
        return [ClipPrediction(logits, probs, probs > 0)]


@pytest.mark.slow
def test_the_size_is_free(tmp_path):
    model = ex.FramesModel(Strided())
    exported = ex.export_program(model, torch.rand(3, 3, 64, 96))
    assert exported.is_free and exported.has_free_size
    ex.save_program(exported, tmp_path / "model.pt2")
    run = torch.export.load(tmp_path / "model.pt2").module()
    for count, height, width in ((3, 64, 96), (1, 128, 64), (5, 96, 160)):
        frames = torch.rand(count, 3, height, width)
        assert run(frames)[0].shape == (1, count, height // 2, width // 2)
        assert ex.difference(model, run, frames) <= 1e-4


@pytest.mark.slow
def test_onnx_of_a_free_size(tmp_path):
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason=f"{package} is missing: pip install 'lgrseg[onnx]'")
    model = ex.FramesModel(Strided())
    file = tmp_path / "model.onnx"
    ex.save_onnx(ex.export_program(model, torch.rand(3, 3, 64, 96)), file)
    run = ex.onnx_runner(file)
    for shape in ((3, 3, 64, 96), (1, 3, 128, 64), (5, 3, 96, 160)):
        assert ex.difference(model, run, torch.rand(shape)) <= ex.TOLERANCE


@pytest.mark.slow
def test_one_of_both_can_be_free():
    fixed_frames = ex.FramesModel(Strided(only={0: 3}))
    exported = ex.export_program(fixed_frames, torch.rand(3, 3, 64, 96))
    assert exported.why_fixed and exported.has_free_size
    assert ex.difference(fixed_frames, exported.program.module(), torch.rand(3, 3, 96, 64)) <= 1e-4

    fixed_size = ex.FramesModel(Strided(only={2: 64}))
    exported = ex.export_program(fixed_size, torch.rand(3, 3, 64, 96))
    assert exported.is_free and exported.why_fixed_size
    assert ex.difference(fixed_size, exported.program.module(), torch.rand(5, 3, 64, 96)) <= 1e-4


@pytest.mark.parametrize("kernel, stride", [(7, 4), (3, 2), (3, 1)])
@pytest.mark.parametrize("size", [(16, 24), (15, 22)])
def test_padding_on_one_side_gives_the_same(kernel, stride, size):
    conv = nn.Conv2d(3, 2, kernel, stride, kernel // 2)
    images = torch.rand(2, 3, *size)
    with ex.OneSidedPadding():
        one_sided = conv(images)
    assert one_sided.shape == conv(images).shape
    torch.testing.assert_close(one_sided, conv(images))


@pytest.mark.parametrize("size", [(48, 64), (100, 64), (64, 1056)])
def test_sizes_that_are_not_free(size):
    with pytest.raises(ValueError, match=f"{size[0]} x {size[1]} pixels.* 32 from 64 to 1024"):
        ex.check_size(size)


@pytest.mark.slow
def test_the_number_of_frames_is_free():
    model = ex.FramesModel(Means())
    frames = torch.rand(7, 3, 4, 5)
    exported = ex.export_program(model, frames[:3])
    assert exported.is_free and "4 x 5 pixels" in exported.why_fixed_size
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
        assert refused.returncode == 1 and "lgrseg[onnx]" in refused.stderr
    done = run_script(ROOT / "tools" / "export_model.py", words + ["--onnx"] * has_onnx)
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "model.json").read_text())
    assert facts["free_number_of_frames"] and facts["free_size"], facts["why_fixed_size"]
    assert facts["pt2"]["difference"] <= ex.TOLERANCE
    model = ex.FramesModel(Predictor.from_run(run, device="cpu").members[0].model)
    loaded = torch.export.load(tmp_path / "model.pt2").module()
    assert ex.difference(model, loaded, torch.rand(5, 3, 64, 96)) <= 1e-4
    if has_onnx:
        onnx = ex.onnx_runner(tmp_path / "model.onnx")
        assert ex.difference(model, onnx, torch.rand(5, 3, 64, 96)) <= ex.TOLERANCE
