"""lgrseg/inference/box_videos.py, the mappers that bring boxes, and tools/predict.py with boxes."""

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from forked import run_script
from omegaconf import OmegaConf
from safetensors.torch import save_file

from lgrseg.config import instantiate, load_config, save_config
from lgrseg.data import AnnotatedMapper, PromptedMapper, WholeVideoSampler
from lgrseg.data.catalog import Metadata
from lgrseg.inference.box_videos import follow_boxes, prompts_of
from lgrseg.inference.frozen_run import FrozenRun
from lgrseg.inference.members import Member
from lgrseg.inference.whole_videos import predict_frames
from lgrseg.modeling.contracts import ClipModel
from lgrseg.modeling.sam2.tracker import NO_OBJECT
from lgrseg.reporting.export import export_record
from lgrseg.structures import Clip, ClipPrediction, Geometry
from lgrseg.structures.box_prompts import BoxPrompt, PromptError

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "configs/box_sam2/demo.py"
LGRNET = ROOT / "configs/lgrnet/demo.py"
GEOMETRY = Geometry((40, 60), (4, 6, 36, 54), (64, 64))


@pytest.fixture(scope="module")
def cfg():
    return load_config(CONFIG, ["model.sam.size=64"])


@pytest.fixture(scope="module")
def model(cfg):
    torch.manual_seed(0)
    return instantiate(cfg.model).eval()


def video(length):
    return np.random.default_rng(0).integers(0, 255, (length, 32, 48), dtype=np.uint8)


def test_boxes_of_the_original_are_parts_of_the_crop():
    given = [BoxPrompt(2, (18, 12, 42, 28), 1), BoxPrompt(2, (0, 0, 30, 20), 3)]
    found = prompts_of(given, GEOMETRY)
    # The crop is 48 x 32 from (6, 4): columns 12 to 36, rows 8 to 24; the other is cut at its edge.
    assert found[2][1].tolist() == pytest.approx([0.5, 0.5, 0.5, 0.5])
    assert found[2][3].tolist() == pytest.approx([0.25, 0.25, 0.5, 0.5])
    with pytest.raises(PromptError, match="outside the fan, which has x 6 to 54 and y 4 to 36"):
        prompts_of([BoxPrompt(0, (0, 0, 5, 40), 1)], GEOMETRY)


def test_a_mapper_of_another_size_is_refused(model):
    mapper = OmegaConf.create({"input_size": [32, 64]})
    member = Member("a run", model, mapper, Metadata(("a",), ((1, 2, 3),)), [])
    with pytest.raises(
        ValueError, match="needs frames of 64 x 64, and its mapper makes .* 32 x 64"
    ):
        member.check_boxes([])


class Unboxed(ClipModel):
    """A model that takes no boxes."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))


class Lazy:
    """A video that counts the frames held at once."""

    def __init__(self, frames):
        self.frames, self.most = frames, 0

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, part):
        self.most = max(self.most, part.stop - part.start)
        return self.frames[part]


def test_a_video_is_followed_frame_by_frame(model):
    frames = Lazy(video(6))
    given = [BoxPrompt(1, (18, 12, 42, 28), 0)]
    found = dict(follow_boxes(model, frames, GEOMETRY, given=given))
    assert list(found) == list(range(6)) and frames.most == 1
    assert all(labels.shape == (40, 60) and labels.dtype == np.uint8 for labels in found.values())
    assert {value for labels in found.values() for value in np.unique(labels)} <= {0, 1}


def test_masks_come_back_to_the_original(model, monkeypatch):
    """The tracker says: class 1 in the right half of every frame, class 0 weaker in the whole."""

    def track(tracker, pictures, prompts, num_classes, **_):
        logits = torch.full((num_classes, 16, 16), NO_OBJECT)
        logits[1], logits[1, :, 8:], logits[0] = -3.0, 3.0, 1.0
        for index in range(len(pictures)):
            assert pictures[index].shape == (3, 64, 64)
            yield index, logits

    monkeypatch.setattr("lgrseg.inference.box_videos.track_video", track)
    given = [BoxPrompt(0, (18, 12, 42, 28), 0)]
    found = [labels for _, labels in follow_boxes(model, video(2), GEOMETRY, given=given)]
    expected = np.zeros((40, 60), np.uint8)
    expected[4:36, 6:30], expected[4:36, 30:54] = 1, 2  # the crop: rows 4 to 36, columns 6 to 54
    for labels in found:
        # The boundary of the halves is between two places of the map: a pixel to each side.
        assert (labels != expected).mean() < 0.03 and (labels[:, 33:54] == expected[:, 33:54]).all()
        assert not labels[:4].any() and not labels[:, 54:].any()
    assert len(found) == 2


class Says:
    """A box model: one class, sure on one frame of the clip or nowhere."""

    def __init__(self, sure):
        self.sure = sure

    def __call__(self, clips):
        scores = torch.zeros(4, len(clips[0].frames))
        scores[1] = self.sure * (clips[0].frame_indices == 3)
        boxes = torch.tensor([0.5, 0.5, 0.4, 0.4]).expand(*scores.shape, 4)
        nothing = torch.zeros(4)
        return [ClipPrediction(nothing, nothing, nothing > 1, boxes=boxes, box_scores=scores)]


def test_boxes_that_are_found_start_it_and_none_is_an_empty_video(model):
    try:
        model.box_model = Says(0.9)
        found = [labels for _, labels in predict_frames(model, video(6), GEOMETRY, num_frames=4)]
        assert len(found) == 6 and {v for x in found for v in np.unique(x)} <= {0, 2}
        model.box_model = Says(0.1)
        assert not any(labels.any() for _, labels in predict_frames(model, video(3), GEOMETRY))
        model.box_model = None
        with pytest.raises(ValueError, match="--box or --boxes"):
            next(follow_boxes(model, video(3), GEOMETRY))
    finally:
        model.box_model = None


def test_true_boxes_come_with_the_clip(make_video):
    record = make_video("a", num_frames=5, annotated=(1, 2, 4))
    settings = {"frame_sampler": WholeVideoSampler(), "input_size": (32, 48)}
    clip, targets = PromptedMapper(**settings)(record, 1, np.random.default_rng(0))
    assert list(clip.boxes) == [1] and targets.annotated_frames == [1, 2, 4]
    # On frame 1 the square has rows 8 to 20 of 32 and columns 6 to 22 of 48.
    assert clip.boxes[1][0].tolist() == pytest.approx([14 / 48, 14 / 32, 16 / 48, 12 / 32])
    every = PromptedMapper(every=2, **settings)(record, 1, np.random.default_rng(0))[0]
    assert list(every.boxes) == [1, 4]
    # The square of the original begins 4 rows lower and 6 columns further right.
    (given,) = PromptedMapper(**settings).prompts(record)
    assert given == BoxPrompt(1, (12, 12, 28, 24), 0)
    both = PromptedMapper(every=2, **settings).prompts(record)
    assert [prompt.frame for prompt in both] == [1, 4]


def test_a_structure_outside_the_fan_has_no_box(make_video):
    """As in a clip; a box outside the fan would stop the export of the video."""
    masks = np.zeros((3, 40, 60), np.uint8)
    masks[0, :, :6], masks[1, 0:10, 0:20], masks[2, 30:40, 50:60] = 1, 1, 2
    record = make_video("a", num_frames=3, masks=dict(enumerate(masks)))
    mapper = PromptedMapper(frame_sampler=WholeVideoSampler(), input_size=(32, 48))
    assert mapper.prompts(record) == [
        BoxPrompt(1, (6, 4, 20, 10), 0),
        BoxPrompt(2, (50, 30, 54, 36), 1),
    ]
    clip, _ = mapper(record, 1, np.random.default_rng(0))
    assert {t: list(boxes) for t, boxes in clip.boxes.items()} == {1: [0], 2: [1]}


def test_a_video_is_exported_from_boxes(model, make_video, tmp_path):
    record = make_video("a", num_frames=3)
    metadata = Metadata(("square", "b", "c", "d"), ((9, 9, 9),) * 4)
    how = {"metadata": metadata, "input_size": (64, 64)}
    boxes = [BoxPrompt(2, (14, 12, 30, 24), 0)]
    path = export_record(model, record, tmp_path, boxes=boxes, **how)
    assert path.stat().st_size > 0
    with pytest.raises(ValueError, match="Unboxed takes no boxes; a BOX-SAM2 does"):
        export_record(Unboxed(), record, tmp_path, boxes=boxes, **how)


def test_annotated_frames_alone(make_video):
    record = make_video("a", num_frames=9, annotated=(0, 3, 5, 8))
    mapper = AnnotatedMapper(num_frames=3, input_size=(32, 48))
    clip, targets = mapper(record, 5, np.random.default_rng(0))
    assert clip.frame_indices.tolist() == [3, 5, 8] and targets.annotated_frames == [0, 1, 2]
    record = make_video("b", num_frames=9, annotated=(4,))
    clip, targets = mapper(record, 4, np.random.default_rng(0))
    assert clip.frame_indices.tolist() == [4, 4, 4] and targets.annotated_frames == [0]


def test_a_run_is_loaded_when_it_is_asked(tmp_path):
    run = FrozenRun(run=str(tmp_path / "boxes"))
    with pytest.raises(FileNotFoundError, match="is no run: it has no config.yaml"):
        run.model  # noqa: B018
    cfg = load_config(LGRNET, ["method=boxes"])
    (tmp_path / "boxes" / "checkpoints").mkdir(parents=True)
    save_config(cfg, tmp_path / "boxes" / "config.yaml")
    model = instantiate(cfg.model)
    save_file(model.state_dict(), tmp_path / "boxes" / "checkpoints" / "last.safetensors")
    assert torch.equal(run.model.decoder.norm.weight, model.decoder.norm.weight)
    assert not run.model.training
    # Clips of another size and length are seen as the run's test clips were: 11 frames of 128 px.
    small = F.interpolate(torch.rand(15, 1, 16, 16), (128, 128), mode="bilinear")
    large = F.interpolate(small, (256, 256), mode="bilinear")
    as_trained, larger = (run([Clip(x, torch.arange(15), "v")])[0] for x in (small, large))
    with torch.no_grad():
        parts = [Clip(small[start : start + 11], torch.arange(11), "v") for start in (0, 4)]
        first, last = (model.eval()([part])[0] for part in parts)
    expected = torch.cat([first.boxes[:, :7], last.boxes[:, 3:]], dim=1)
    assert torch.allclose(as_trained.boxes, expected, atol=1e-5)
    assert torch.allclose(larger.boxes, expected, atol=0.01)
    assert larger.box_scores.shape == (4, 15)
    assert run.window == {"num_frames": 11, "num_far": 0} and len(run.classes) == 4


def test_a_run_predicts_with_its_best_checkpoint_as_predictor_does(tmp_path):
    run, cfg = tmp_path / "boxes", load_config(LGRNET, ["method=boxes"])
    (run / "checkpoints").mkdir(parents=True)
    save_config(cfg, run / "config.yaml")
    with pytest.raises(FileNotFoundError, match="has no checkpoint .*best.safetensors or .*last"):
        FrozenRun(run=str(run)).model  # noqa: B018
    weights = instantiate(cfg.model).state_dict()
    for name, value in (("last", 1.0), ("best", 2.0)):
        weights["decoder.norm.weight"].fill_(value)
        save_file(weights, run / "checkpoints" / f"{name}.safetensors")
        frozen = FrozenRun(run=str(run))
        assert (frozen.model.decoder.norm.weight == value).all()
    assert not any(parameter.requires_grad for parameter in frozen.model.parameters())


def predict(*arguments):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return run_script(ROOT / "tools" / "predict.py", arguments, environment=environment)


def test_predict_with_boxes_by_hand(cfg, model, tmp_path):
    save_config(cfg, tmp_path / "config.yaml")
    save_file(model.state_dict(), tmp_path / "last.safetensors")
    frames = video(3).transpose(2, 1, 0)
    nibabel.save(nibabel.Nifti1Image(frames, np.eye(4)), tmp_path / "a.nii.gz")
    command = [
        "--config-file",
        tmp_path / "config.yaml",
        "--weights",
        tmp_path / "last.safetensors",
    ]
    command += ["--input", tmp_path / "a.nii.gz", "--output", tmp_path / "out", "--no-crop"]
    command += ["dataloader.test.phantom_demo_val.mapper.input_size=[64,64]"]
    result = predict(*command, "--box", "1,10,5,40,25,left_atrium")
    assert result.returncode == 0, result.stderr
    masks = np.asanyarray(nibabel.load(tmp_path / "out" / "a_masks.nii.gz").dataobj)
    assert masks.shape == (48, 32, 3) and set(np.unique(masks)) <= {0, 2}
    for box, told in (("9,10,5,40,25,1", "frames are 0 to 2"), ("1,2,3,4,5,heart", "no class")):
        result = predict(*command, "--box", box)
        assert result.returncode == 1 and told in result.stderr, result.stderr
    result = predict(*command)
    assert result.returncode == 1 and "give boxes, with --box" in result.stderr
