"""Ground truth through the whole pipe and back: nothing may lie beside where it was.

A picture is painted from its own mask, so that frame and mask say the same; what comes out of the
mapper, of an augmentation or of an overlay must still say the same, and pasted back onto the
original frame it must be the mask that went in.
"""

import numpy as np
import pytest
import torch
from conftest import made_up_record

from lgrseg.data import (
    ClipMapper,
    DenseSampler,
    RandomAffine,
    RandomElastic,
)
from lgrseg.data.mappers.clips import PromptedMapper, geometry_of
from lgrseg.data.store import read_record, write_video
from lgrseg.data.transforms.resizing import resize_image, resize_labels
from lgrseg.data.transforms.stills import RandomFlip, RandomGridDistortion, RandomQuarterTurn
from lgrseg.structures import ClipPrediction
from lgrseg.visualization.feature_maps import DenseFeatures
from lgrseg.visualization.overlays import side_by_side

RNG = np.random.default_rng


def painted_ellipse(size, box, rng) -> np.ndarray:
    """An ellipse (H, W) bool inside the crop box, its axes 0.2 to 0.33 of the box's sides."""
    top, left, bottom, right = box
    sides = np.array([bottom - top, right - left])
    centre = rng.uniform(0.4, 0.6, 2) * sides + (top, left)
    radii = rng.uniform(0.2, 0.33, 2) * sides
    rows, columns = np.indices(size) + 0.5
    return np.hypot((rows - centre[0]) / radii[0], (columns - centre[1]) / radii[1]) < 1


def prepared(folder, mask: np.ndarray, box, name: str) -> dict:
    top, left, bottom, right = box
    frame = np.where(mask, 200, 0).astype(np.uint8)[top:bottom, left:right]
    meta = {
        "video_id": name, "original_size": list(mask.shape), "crop_box": list(box),
        "spacing_mm": [0.5, 0.5], "fps": 20, "site": None, "patient": name, "view": "4",
        "sources": [],
    }  # fmt: skip
    return read_record(write_video(folder, frame[None], {0: mask.astype(np.uint8)}, meta))


def centroid(mask: np.ndarray) -> np.ndarray:
    return np.argwhere(mask).mean(axis=0)


def border_length(mask: np.ndarray) -> int:
    """Pairs of neighbours of which one is inside: 4/pi of the length of a smooth border."""
    return int(sum((np.diff(mask.astype(np.int8), axis=axis) != 0).sum() for axis in (0, 1)))


def test_ground_truth_through_the_mapper_and_back(tmp_path):
    rng, shifts = RNG(0), []
    for number in range(200):
        size = rng.integers(120, 500, 2)
        margins = rng.integers(0, 30, 4)
        box = (*margins[:2].tolist(), *(size - margins[2:]).tolist())
        input_size = tuple(rng.integers(96, 257, 2).tolist())
        mask = painted_ellipse(size, box, rng)
        record = prepared(tmp_path, mask, box, f"v{number}")
        mapper = ClipMapper(frame_sampler=DenseSampler(num_frames=1), input_size=input_size)
        clip, targets = mapper(record, 0, RNG(0))
        # The target is where the picture is bright.
        bright = clip.frames[0, 0] > 0.5 * clip.frames.max()
        assert (bright != targets.masks[0, 0]).float().mean() < 1e-3
        logits = 2 * targets.masks.float() - 1
        answer = ClipPrediction(logits, torch.ones(1), torch.ones(1, dtype=torch.bool))
        back = answer.label_maps(clip.geometry)[0].numpy() == 1
        scale = max(1, *((np.array(box[2:]) - box[:2]) / input_size))
        shifts.append((centroid(back) - centroid(mask)) / scale)
        # A border lies within half a pixel of the input: on average a quarter of it beside.
        assert (back != mask).sum() <= 0.25 * scale * border_length(mask), (size, box, input_size)
    shifts = np.array(shifts)  # in pixels of the input, or of the original where that is coarser
    assert np.abs(shifts).max() < 0.2 and np.abs(shifts.mean(axis=0)).max() < 0.01


def test_boxes_are_those_of_the_original_mask(tmp_path):
    mask = np.zeros((300, 400), bool)
    mask[60:180, 100:260] = True  # whole pixels of the input, 4 and 5 times as small
    record = prepared(tmp_path, mask, (20, 40, 260, 360), "v")
    mapper = PromptedMapper(frame_sampler=DenseSampler(num_frames=1), input_size=(60, 64))
    clip, _ = mapper(record, 0, RNG(0))
    cx, cy, w, h = clip.boxes[0][0].tolist()
    corners = [(cy - h / 2) * 240 + 20, (cx - w / 2) * 320 + 40]
    corners += [(cy + h / 2) * 240 + 20, (cx + w / 2) * 320 + 40]
    assert corners == pytest.approx([60, 100, 180, 260], abs=1e-4)
    assert mapper.prompts(record)[0].box == (100, 60, 260, 180)


MOVING = [
    RandomAffine(rotation=40, scale=0.3, shift=0.1, flip=0.5),
    RandomElastic(displacement=0.08, prob=1.0),
    RandomFlip(horizontal=0.5, vertical=0.5),
    RandomQuarterTurn(prob=1.0),
    RandomGridDistortion(prob=1.0),
]


@pytest.mark.parametrize("augment", MOVING, ids=lambda augment: type(augment).__name__)
def test_augmentations_move_masks_as_they_move_frames(augment):
    shifts = []
    for seed in range(60):
        mask = painted_ellipse((90, 110), (0, 0, 90, 110), RNG(seed))
        frames = mask[None, ..., None].astype(np.float32)
        frames, masks = augment(frames, mask[None].astype(np.uint8), RNG(seed))
        shifts.append(centroid(frames[0, ..., 0] > 0.5) - centroid(masks[0] == 1))
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.02 and np.abs(shifts).max() < 0.15


def test_an_affine_or_a_warp_by_nothing_changes_nothing():
    frames = RNG(0).random((2, 33, 48, 1), dtype=np.float32)
    masks = RNG(1).integers(0, 4, (2, 33, 48)).astype(np.uint8)
    idle = [RandomAffine(rotation=0, scale=0, shift=0), RandomElastic(displacement=0, prob=1.0)]
    for augment in (*idle, RandomGridDistortion(limit=0, prob=1.0)):
        same, kept = augment(frames, masks, RNG(0))
        assert np.allclose(same, frames, atol=1e-5) and np.array_equal(kept, masks)


@pytest.mark.parametrize("size", [(112, 112), (480, 640), (708, 1016)])
def test_overlays_lie_on_what_they_show(size):
    mask = painted_ellipse(size, (0, 0, *size), RNG(3))
    frame, labels = np.where(mask, 100, 0).astype(np.uint8), mask.astype(np.uint8)
    picture = side_by_side(frame, labels, labels, classes=("a",), colors=[(255, 0, 0)])
    width = round(size[1] * 320 / size[0])
    shown, drawn = picture[22:342, :width], picture[22:342, width + 4 : 2 * width + 4]
    tinted = drawn[..., 0].astype(int) > drawn[..., 2]
    assert np.abs(centroid(shown[..., 0] > 50) - centroid(tinted)).max() < 0.1


class Averages(torch.nn.Module):
    """A backbone whose map of stride 8 is the picture itself, averaged."""

    def __init__(self):
        super().__init__()
        self.strides = [8]
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, images):
        return [torch.nn.functional.avg_pool2d(images, 8)]


@pytest.mark.parametrize("size", [(112, 112), (480, 640), (708, 1016)])
def test_feature_maps_lie_on_what_they_show(size):
    frame = np.where(painted_ellipse(size, (0, 0, *size), RNG(4)), 200, 0).astype(np.uint8)
    (features,) = DenseFeatures(backbone=Averages(), size=256)([frame])
    shown = resize_image(features[..., 0], (320, round(size[1] * 320 / size[0])))
    picture = resize_image(frame, shown.shape)
    # A place of the map is 10 pixels wide here.
    middle = (shown.min() + shown.max()) / 2
    assert np.abs(centroid(shown > middle) - centroid(picture > 100)).max() < 1


def test_real_masks_come_back(shared_data):
    """CAMUS at 256 px: what a perfect model scores, per class; 0.988, 0.976, 0.985 before."""
    nibabel = pytest.importorskip("nibabel")
    folders = sorted((shared_data / "camus" / "database_nifti").glob("patient*"))[:30]
    if not folders:
        pytest.skip("no CAMUS here")
    overlaps = []
    for folder in folders:
        stored = nibabel.load(folder / f"{folder.name}_4CH_ES_gt.nii.gz")
        truth = np.ascontiguousarray(np.asarray(stored.dataobj).T).astype(np.uint8)
        record = made_up_record(original_size=truth.shape, crop_box=(0, 0, *truth.shape))
        small = torch.from_numpy(resize_labels(truth, (256, 256)))
        logits = torch.stack([(small == k) * 2.0 - 1 for k in (1, 2, 3)])[:, None]
        answer = ClipPrediction(logits, torch.ones(3), torch.ones(3, dtype=torch.bool))
        back = answer.label_maps(geometry_of(record, (256, 256)))[0].numpy()
        pairs = [(back == k, truth == k) for k in (1, 2, 3)]
        overlaps.append([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in pairs])
        for a, b in pairs:
            assert np.abs(centroid(a) - centroid(b)).max() < 0.6
    assert (np.mean(overlaps, axis=0) > (0.993, 0.986, 0.992)).all()
