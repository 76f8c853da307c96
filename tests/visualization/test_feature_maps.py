"""lgrseg/visualization/feature_maps.py and its pictures: known bases, a disc, a point."""

import numpy as np
import pytest
import torch
from tiny_encoder import TinyEncoder

from lgrseg.modeling.backbones import PVTv2
from lgrseg.modeling.contracts import ClipModel
from lgrseg.modeling.heads.classifier import ClipClassifier, LinearHead
from lgrseg.visualization.colour_basis import colour_basis, principal_components
from lgrseg.visualization.feature_maps import (
    DenseFeatures,
    backbone_of,
    cosine_similarity,
    place_of,
)
from lgrseg.visualization.feature_pictures import FeatureDrawer, Point


def test_components_of_a_known_basis():
    # Spread 3 along y, 1 along x, none along z: variances 18 and 2 of 20.
    features = np.array([[0, 3, 0], [0, -3, 0], [1, 0, 0], [-1, 0, 0]], np.float32) + 5
    found = principal_components(features, 2)
    assert np.allclose(found.mean, 5)
    assert np.allclose(found.directions, [[0, 1, 0], [1, 0, 0]], atol=1e-6)
    assert found.explained.tolist() == pytest.approx([0.9, 0.1])
    assert np.allclose(found.project(features)[:, 0], [3, -3, 0, 0], atol=1e-6)


def test_a_known_basis_is_found_in_noise():
    rng = np.random.default_rng(0)
    basis, _ = np.linalg.qr(rng.standard_normal((16, 16)))
    scales = np.array([8.0, 4.0, 2.0] + [0.1] * 13)
    features = (rng.standard_normal((9000, 16)) * scales) @ basis.T  # three chunks of the sum
    found = principal_components(features.astype(np.float32), 3)
    assert np.allclose(np.abs(found.directions @ basis[:, :3]), np.eye(3), atol=0.02)
    assert found.explained == pytest.approx(np.array([64, 16, 4]) / 84.13, abs=0.02)
    _, _, independent = np.linalg.svd(features - features.mean(axis=0), full_matrices=False)
    assert np.allclose(np.abs(found.directions), np.abs(independent[:3]), atol=1e-4)


def test_signs_are_no_accident():
    features = np.random.default_rng(1).standard_normal((50, 6)).astype(np.float32)
    found = principal_components(features, 3)
    again = principal_components(features[::-1], 3)
    assert np.allclose(found.directions, again.directions, atol=1e-5)
    largest = np.abs(found.directions).argmax(axis=1)
    assert (found.directions[range(3), largest] > 0).all()


def disc(*, inside=1.0, outside=-1.0, size=20, frames=3):
    """Maps (T, 20, 20, 8) whose first channel tells a disc from the rest, and its mask."""
    rows, columns = np.mgrid[:size, :size]
    mask = (rows - 9) ** 2 + (columns - 11) ** 2 < 36
    maps = 0.05 * np.random.default_rng(0).standard_normal((frames, size, size, 8))
    maps[..., 0] += np.where(mask, inside, outside)
    # Within the disc: left to right, top to bottom, and time.
    maps[..., 1] += mask * (columns - 11) / 10
    maps[..., 2] += mask * (rows - 9) / 20
    maps[..., 3] += mask * (np.arange(frames)[:, None, None] - 1) / 8
    return maps.astype(np.float32), mask


@pytest.mark.parametrize(("inside", "outside"), [(1.0, -1.0), (-1.0, 1.0)])
def test_the_disc_is_the_foreground(inside, outside):
    maps, mask = disc(inside=inside, outside=outside)
    basis = colour_basis(maps)
    scores = basis.scores(maps)
    assert ((scores[..., 0] > 0) == mask).all()
    assert basis.foreground == pytest.approx(mask.mean())
    painted = basis.paint(scores)
    assert not painted[:, ~mask].any() and painted[:, mask].any(axis=-1).mean() > 0.95
    # Red is the strongest of the disc's own directions: left to right, in all frames alike.
    red = painted[..., 0].astype(float)
    for frame in red:
        columns = np.flatnonzero(mask.any(axis=0))
        means = [frame[mask[:, c], c].mean() for c in columns]
        assert np.corrcoef(means, columns)[0, 1] > 0.9
    assert np.abs(red[0] - red[2])[mask].mean() < 30


def test_everything_is_coloured_without_a_threshold():
    maps, mask = disc()
    basis = colour_basis(maps, threshold=None)
    assert basis.foreground == 1 and basis.colours.explained[0] > 0.7
    painted = basis.paint(basis.scores(maps))
    assert set(np.unique(painted[0, mask, 0] > 127)) != set(np.unique(painted[0, ~mask, 0] > 127))


def test_what_cannot_be_drawn_is_said():
    with pytest.raises(ValueError, match="the same everywhere"):
        colour_basis(np.full((2, 4, 4, 8), 1.5, np.float32))
    with pytest.raises(ValueError, match="not finite"):
        principal_components(np.full((9, 3), np.nan, np.float32), 1)
    with pytest.raises(ValueError, match="2 channels has at most 2 components, not 3"):
        principal_components(np.eye(5, 2, dtype=np.float32), 3)
    with pytest.raises(ValueError, match="0 of 1200 positions are foreground.*above 99"):
        colour_basis(disc()[0], threshold=99.0)


def test_similarity_by_hand():
    features = np.array([[[1.0, 0.0], [1.0, 1.0]], [[-2.0, 0.0], [0.0, 0.0]]])
    found = cosine_similarity(features, np.array([3.0, 0.0]))
    assert np.allclose(found, [[1, 0.5**0.5], [-1, 0]])


def test_the_place_of_a_pixel():
    box = (10, 20, 50, 100)  # 40 high, 80 wide, on a map of 4 x 8: places of 10 px
    assert place_of((20, 10), box, (4, 8)) == (0, 0)
    assert place_of((99, 49), box, (4, 8)) == (3, 7)
    # Pixel 39 ends where the third column of the map begins; halfway to pixel 40 is in it.
    assert place_of((39, 30), box, (4, 8)) == (2, 1)
    assert place_of((39.5, 30), box, (4, 8)) == (2, 2)
    assert place_of((99.9, 49.9), box, (4, 8)) == (3, 7)
    with pytest.raises(ValueError, match=r"x from 20 to 99, y from 10 to 49.*--no-crop"):
        place_of((100, 30), box, (4, 8))


def frames(count=5, size=(24, 32)):
    return np.random.default_rng(0).integers(0, 255, (count, *size), dtype=np.uint8)


def test_features_are_those_of_the_backbone():
    encoder = TinyEncoder()
    dense = DenseFeatures(backbone=encoder, size=64, pixel_mean=(0.5,) * 3, pixel_std=(0.5,) * 3)
    video = frames(size=(48, 64))
    assert dense.input_size((48, 64)) == (48, 64) and not encoder.training
    found = dense(video)
    images = torch.from_numpy(video)[:, None].expand(-1, 3, -1, -1) / 255
    with torch.no_grad():
        (wanted,) = encoder((images - 0.5) / 0.5)
    assert found.shape == (5, 12, 16, 16)
    assert np.allclose(found, wanted.permute(0, 2, 3, 1).numpy(), atol=1e-5)
    streamed = list(dense.stream(video, batch_size=2))
    assert [index for index, _, _ in streamed] == [0, 1, 2, 3, 4]
    assert np.allclose(np.stack([maps for _, _, maps in streamed]), found, atol=1e-5)
    assert np.allclose(dense.sample(video, 3), found[[0, 2, 4]], atol=1e-5)
    # Similarity to a place of the clip is 1 there.
    likeness = cosine_similarity(found, found[2][place_of((20, 30), (0, 0, 48, 64), (12, 16))])
    assert likeness[2, 7, 5] == pytest.approx(1, abs=1e-5) and likeness.max() <= 1


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("lgrseg.visualization.feature_maps.MAX_PLACES", 12 * 16 * 2)
    dense = DenseFeatures(backbone=TinyEncoder(), size=64)
    assert dense.sample(frames(9, (48, 64)), 32).shape[0] == 2


def test_maps_of_other_backbones():
    backbone = PVTv2(variant="b0")
    dense = DenseFeatures(backbone=backbone, size=64, stride=8)
    assert dense.input_size((30, 60)) == (32, 64)
    assert dense(frames(1)).shape == (1, 8, 8, 64)  # 48 px are 1.5 patches: taken as 2
    assert DenseFeatures(backbone=backbone).stride == 16
    with pytest.raises(ValueError, match=r"no map has stride 14; this backbone has \[4, 8, 16, 32"):
        DenseFeatures(backbone=backbone, stride=14)
    with pytest.raises(ValueError, match="size=8 is less than one patch of 32"):
        DenseFeatures(backbone=backbone, size=8)


def test_the_backbone_of_a_model():
    head = LinearHead(in_channels=16, num_classes=2)
    model = ClipClassifier(backbone=TinyEncoder(), head=head, num_classes=2)
    assert backbone_of(model) is model.backbone
    with pytest.raises(ValueError, match="a ClipModel has no backbone"):
        backbone_of(ClipModel())


def test_pictures():
    maps, mask = disc()
    point = Point(frame=1, position=(0.5, 0.25), feature=maps[1, 9, 11], low=0.0)
    drawer = FeatureDrawer(colour_basis(maps), "tiny", point, height=40)
    frame = np.full((20, 20), 60, np.uint8)
    panels = {index: drawer.panels(index, frame, maps[index]) for index in range(3)}
    assert all(panel.shape == (40, 40, 3) for panel in panels[0])
    assert panels[0][0].max() == 60 and panels[1][0].max() > 200  # marked in its own frame
    assert panels[1][0][10, 20].min() > 200
    likeness = panels[0][2].astype(int).sum(axis=-1)
    assert likeness[18, 22] > likeness[2, 2] + 100  # bright where it is alike
    row = drawer.row(0, panels[0])
    assert row.shape == ((22 + 40) // 2 * 2, 3 * 40 + 2 * 4, 3)
    assert drawer.contact_sheet(panels).shape == (3 * 62 + 2 * 4, 3 * 40 + 2 * 4, 3)
    assert drawer.headings[1].startswith("tiny: ") and "cosine" in drawer.headings[2]
