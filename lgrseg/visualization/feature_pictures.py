"""Draws frames, their features as colours, and their similarity to a point side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lgrseg.data.transforms.resizing import resize_image
from lgrseg.visualization.colour_basis import ColourBasis
from lgrseg.visualization.feature_maps import DenseFeatures, cosine_similarity, place_of
from lgrseg.visualization.overlays import BACKGROUND, FONT, HEADER

GAP = 4
"""Pixels between panels."""
INK = (230, 230, 230)


@dataclass(frozen=True)
class Point:
    """A reference point with which all map positions are compared."""

    frame: int
    position: tuple[float, float]
    """(x, y) as fractions of the width and height of the drawn area, 0 to 1."""
    feature: np.ndarray
    """(C,) feature at the point."""
    low: float
    """Cosine similarity that is drawn darkest; 1 is drawn brightest."""

    @classmethod
    def at(
        cls,
        point: tuple[int, float, float],
        dense: DenseFeatures,
        frames: Sequence[np.ndarray],
        maps: np.ndarray,
        box: tuple[int, int, int, int],
    ) -> "Point":
        """Find the feature at a point.

        Args:
            point: frame and (x, y) in pixels of the original frame.
            dense: features of the backbone.
            frames: frames of the clip, cropped to `box`.
            maps: (t, h, w, C) maps of some frames, for the range of similarities.
            box: (top, left, bottom, right) of the crop.
        """
        index, x, y = point
        (features,) = dense([frames[index]])
        row, column = place_of((x, y), box, features.shape[:2])
        feature = features[row, column]
        low = float(np.percentile(cosine_similarity(maps, feature), 1))
        top, left, bottom, right = box
        position = ((x + 0.5 - left) / (right - left), (y + 0.5 - top) / (bottom - top))
        return cls(index, position, feature, min(low, 0.999))


@dataclass(frozen=True)
class FeatureDrawer:
    """Draws any frame of one clip with the colour basis of the clip."""

    basis: ColourBasis
    name: str
    """Name of the backbone and its weights."""
    point: Point | None = None
    height: int = 320
    """Height of a panel in pixels."""

    @property
    def headings(self) -> list[str]:
        """Headings of the panels that `panels` draws."""
        shares = ", ".join(f"{share:.0%}" for share in self.basis.colours.explained)
        headings = ["input", f"{self.name}: {shares} of variance"]
        if self.point is not None:
            headings.append(f"cosine to +, {self.point.low:.2f} to 1")
        return headings

    def panels(self, index: int, frame: np.ndarray, features: np.ndarray) -> list[np.ndarray]:
        """Draw frame `index`, its colours, and its similarity to the point if there is one.

        Args:
            index: index of the frame in the clip.
            frame: (H, W) or (H, W, 3) uint8 frame.
            features: (h, w, C) feature map that covers the frame.

        Returns:
            (height, width, 3) uint8 RGB panels.
        """
        width = max(2, round(frame.shape[1] * self.height / frame.shape[0]))
        image = resize_image(frame, (self.height, width))
        image = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image
        scores = self.basis.scores(features).astype(np.float32)
        panels = [image, self.basis.paint(_resized(scores, image.shape[:2]))]
        if self.point is not None:
            similarity = cosine_similarity(features, self.point.feature).astype(np.float32)
            shown = (_resized(similarity, image.shape[:2]) - self.point.low) / (1 - self.point.low)
            grey = (255 * np.clip(shown, 0, 1)).round().astype(np.uint8)
            panels.append(cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS)[..., ::-1].copy())
            if index == self.point.frame:
                for panel in (panels[0], panels[2]):
                    _mark(panel, self.point.position)
        return panels

    def row(self, index: int, panels: list[np.ndarray]) -> np.ndarray:
        """Put panels with headings side by side: a video frame with even width and height."""
        headings = [f"{self.headings[0]} {index}", *self.headings[1:]]
        columns = [_headed(panel, text) for panel, text in zip(panels, headings, strict=True)]
        picture = _joined(columns, axis=1)
        return picture[: picture.shape[0] // 2 * 2, : picture.shape[1] // 2 * 2]

    def contact_sheet(self, chosen: dict[int, list[np.ndarray]]) -> np.ndarray:
        """Put panels of some frames into a table: a column per frame, a row per type of panel."""
        columns = []
        for number, (index, panels) in enumerate(chosen.items()):
            headings = [f"frame {index}", *([""] * (len(panels) - 1))]
            if number == 0:
                headings = [f"frame {index}", *self.headings[1:]]
            parts = [_headed(panel, text) for panel, text in zip(panels, headings, strict=True)]
            columns.append(_joined(parts, axis=0))
        return _joined(columns, axis=1)


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize (h, w) or (h, w, P) to `size`, bilinear."""
    return cv2.resize(values, size[::-1], interpolation=cv2.INTER_LINEAR)


def _mark(panel: np.ndarray, position: tuple[float, float]) -> None:
    x, y = int(position[0] * panel.shape[1]), int(position[1] * panel.shape[0])
    for color, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.drawMarker(panel, (x, y), color, cv2.MARKER_CROSS, 13, thickness, cv2.LINE_AA)


def _headed(panel: np.ndarray, text: str) -> np.ndarray:
    top = np.full((HEADER, panel.shape[1], 3), BACKGROUND, np.uint8)
    cv2.putText(top, text, (4, 15), FONT, 0.4, INK, 1, cv2.LINE_AA)
    return np.concatenate([top, panel])


def _joined(pictures: list[np.ndarray], *, axis: int) -> np.ndarray:
    shape = list(pictures[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, BACKGROUND, np.uint8)
    between = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(between[:-1], axis=axis)
