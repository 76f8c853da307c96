"""The records that travel between data, model and evaluation: every shape is written here, once.

Letters: B clips, T frames, C channels, H W pixels, N objects, K classes.
Sizes are (height, width), boxes (top, left, bottom, right) with bottom and right exclusive,
spacing is (row, column) in millimetres per pixel, frame indices count from 0.
"""

from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Geometry:
    """Where the pixels of a clip lie in the video it was cut from.

    The original frame is cropped to `crop_box`, and the crop is resized to `input_size`.
    """

    original_size: tuple[int, int]
    crop_box: tuple[int, int, int, int]
    input_size: tuple[int, int]
    spacing_mm: tuple[float, float] | None = None
    """Of the original frame; None where the file does not say."""

    def paste(self, maps: Tensor, outside: float) -> Tensor:
        """Bring maps over the input back onto the original frame.

        Args:
            maps: (..., h, w) floating point, covering exactly the input at any stride.
            outside: the value of pixels outside the crop box.

        Returns:
            (..., H, W) at `original_size`.
        """
        top, left, bottom, right = self.crop_box
        height, width = self.original_size
        flat = maps.reshape(1, -1, *maps.shape[-2:])
        crop = F.interpolate(
            flat, (bottom - top, right - left), mode="bilinear", align_corners=False
        )
        pasted = F.pad(crop, (left, width - right, top, height - bottom), value=outside)
        return pasted.reshape(*maps.shape[:-2], height, width)


@dataclass
class Clip:
    """A few frames of one video, as the model takes them."""

    frames: Tensor
    """(T, C, H, W) float32, 0 to 1; C is 1 (grey) or 3 (RGB). Not yet normalised."""
    frame_indices: Tensor
    """(T,) int64: which frames of the video these are, in temporal order, repeats allowed."""
    video_id: str
    geometry: Geometry | None = None
    """None when augmentation moved the pixels, so that nothing can be pasted back."""
    seed: int | None = None
    """Of all that a model in training draws at random for this clip; None: from torch's state."""
    boxes: dict[int, dict[int, Tensor]] | None = None
    """Prompts: place in the clip -> class -> (4,) as (cx, cy, w, h), parts of the frame."""
    key: str | None = None
    """Names the pixels: equal where they are equal; None where augmentation drew them anew."""

    def to(self, device) -> "Clip":
        """The same clip with its frames on `device`."""
        frames = self.frames.to(device, non_blocking=True)
        return replace(self, frames=frames)


@dataclass
class ClipTargets:
    """What is known about the annotated frames of one clip.

    A CardiacUDC video has about six annotated frames, so most frames of a clip have none:
    losses and metrics look only where `annotated` is true. A class that is in none of the
    annotated frames is no object; a clip without any object has N = 0.
    """

    annotated: Tensor
    """(T,) bool: which frames carry a mask and are supervised. Always on the CPU."""
    labels: Tensor
    """(N,) int64: structure of each object, an index into the dataset's `classes`. On the CPU."""
    masks: Tensor
    """(N, T, H, W) bool; all false on frames that are not annotated."""

    @property
    def annotated_frames(self) -> list[int]:
        """The numbers of the annotated frames."""
        return [t for t, annotated in enumerate(self.annotated.tolist()) if annotated]

    def to(self, device) -> "ClipTargets":
        """The same targets with their masks on `device`.

        The rest is read by Python at every step, which would have to wait for a GPU.
        """
        return replace(self, masks=self.masks.to(device, non_blocking=True))


@dataclass
class LabelTarget:
    """What is known of a clip as a whole: its class."""

    label: int
    """An index into the dataset's `classes`."""

    def to(self, device) -> "LabelTarget":
        """Itself: a number is on every device."""
        return self


@dataclass
class UnlabelledViews:
    """One unlabelled video, seen several times: what a teacher sees and what its student sees."""

    teacher: list[Clip]
    """Of one shape."""
    student: list[Clip]
    """Of one shape."""

    @property
    def video_id(self) -> str:
        """Of the video."""
        return self.teacher[0].video_id

    @property
    def frame_indices(self) -> Tensor:
        """(T,) int64: of the teacher's first view."""
        return self.teacher[0].frame_indices

    def to(self, device) -> "UnlabelledViews":
        """The same views with their frames on `device`."""
        return UnlabelledViews(
            [clip.to(device) for clip in self.teacher], [clip.to(device) for clip in self.student]
        )


@dataclass
class LabelPrediction:
    """What a classifier says of one clip."""

    scores: Tensor
    """(K,) raw, one a class; their softmax is how sure the model is of each."""

    @property
    def probs(self) -> Tensor:
        """(K,) float64 on the CPU, 0 to 1; double precision keeps sure answers apart."""
        return self.scores.double().cpu().softmax(dim=0)


@dataclass
class ClipPrediction:
    """What a model says of one clip."""

    mask_logits: Tensor
    """(K, T, h, w): one map a class, logits (0 is the boundary), covering exactly the clip's
    H x W, usually at stride 4."""
    class_probs: Tensor
    """(K,) 0 to 1: how sure the model is that the class is in the clip at all."""
    present: Tensor
    """(K,) bool: whether the model says that the class is in the clip."""
    boxes: Tensor | None = None
    """(K, T, 4) as (cx, cy, w, h), parts of the clip's width and height; None where the model
    gives no boxes."""
    box_scores: Tensor | None = None
    """(K, T) 0 to 1: how sure the model is that the class is in the frame, with this box."""

    def label_maps(self, geometry: Geometry) -> Tensor:
        """Masks at the original resolution, exclusive between classes.

        Returns:
            (T, H, W) uint8: 0 background, k + 1 for class k. A pixel belongs to the present class
            with the largest logit, or to the background where no logit is above 0.
        """
        outside = -1e4
        logits = self.mask_logits.float().masked_fill(~self.present[:, None, None, None], outside)
        logits = geometry.paste(logits, outside)
        best, label = logits.max(dim=0)
        return ((label + 1) * (best > 0)).byte()
