"""Records that are passed between data, model and evaluation, with their shapes.

Letters: B clips, T frames, C channels, H W pixels, N objects, K classes.
Sizes are (height, width), boxes (top, left, bottom, right) with bottom and right exclusive,
spacing is (row, column) in millimetres per pixel, frame indices count from 0.
"""

from dataclasses import dataclass, replace

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Geometry:
    """Position of a clip's pixels in the original video.

    The original frame is cropped to `crop_box`, and the crop is resized to `input_size`.
    """

    original_size: tuple[int, int]
    crop_box: tuple[int, int, int, int]
    input_size: tuple[int, int]
    spacing_mm: tuple[float, float] | None = None
    """Pixel size of the original frame; None if the file does not contain it."""

    @property
    def scale(self) -> float:
        """Original pixels on one pixel of the input, the geometric mean of height and width."""
        top, left, bottom, right = self.crop_box
        height, width = self.input_size
        return ((bottom - top) * (right - left) / height / width) ** 0.5

    def paste(self, maps: Tensor, outside: float) -> Tensor:
        """Resize maps of the input and paste them into the original frame.

        Args:
            maps: (..., h, w) floating point maps that cover exactly the input, at any stride.
            outside: value of pixels outside the crop box.

        Returns:
            (..., H, W) maps at `original_size`.
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
    """A few frames of one video: the input of a model."""

    frames: Tensor
    """(T, C, H, W) float32, 0 to 1; C is 1 (grey) or 3 (RGB). Not yet normalised."""
    frame_indices: Tensor
    """(T,) int64 indices of the frames in the video, in temporal order; repeats are allowed."""
    video_id: str
    geometry: Geometry | None = None
    """None if augmentation moved the pixels, so that maps cannot be pasted back."""
    seed: int | None = None
    """Seed of the model's random numbers for this clip in training; None: torch's generator."""
    boxes: dict[int, dict[int, Tensor]] | None = None
    """Box prompts: index in the clip -> class -> (4,) as (cx, cy, w, h), fractions of the frame."""
    key: str | None = None
    """Identifies the pixels: clips with equal keys have equal pixels; None after augmentation."""

    def to(self, device) -> "Clip":
        """The same clip with its frames on `device`."""
        frames = self.frames.to(device, non_blocking=True)
        return replace(self, frames=frames)


@dataclass
class ClipTargets:
    """Ground truth of the annotated frames of one clip.

    A CardiacUDC video has about six annotated frames, so most frames of a clip have no masks.
    Losses and metrics use only frames where `annotated` is true. A class without a mask in all
    annotated frames has no object. A clip without objects has N = 0.
    """

    annotated: Tensor
    """(T,) bool: true for frames that have masks. Always on the CPU."""
    labels: Tensor
    """(N,) int64: class of each object, an index into the dataset's `classes`. On the CPU."""
    masks: Tensor
    """(N, T, H, W) bool; all false on frames that are not annotated."""

    @property
    def annotated_frames(self) -> list[int]:
        """Indices of the annotated frames in the clip."""
        return [t for t, annotated in enumerate(self.annotated.tolist()) if annotated]

    def to(self, device) -> "ClipTargets":
        """The same targets with their masks on `device`.

        The other tensors remain on the CPU, because Python reads them at every step and would have
        to wait for a GPU.
        """
        return replace(self, masks=self.masks.to(device, non_blocking=True))


@dataclass
class LabelTarget:
    """Ground truth of a whole clip: its class."""

    label: int
    """An index into the dataset's `classes`."""

    def to(self, device) -> "LabelTarget":
        """Return itself, because it has no tensors."""
        return self


@dataclass
class UnlabelledViews:
    """Several augmented views of one unlabelled video, for a teacher and for its student."""

    teacher: list[Clip]
    """Views for the teacher, all of one shape."""
    student: list[Clip]
    """Views for the student, all of one shape; none for pretraining without a student."""

    @property
    def video_id(self) -> str:
        """Identifier of the video."""
        return self.teacher[0].video_id

    @property
    def frame_indices(self) -> Tensor:
        """(T,) int64 frame indices of the teacher's first view."""
        return self.teacher[0].frame_indices

    def to(self, device) -> "UnlabelledViews":
        """The same views with their frames on `device`."""
        return UnlabelledViews(
            [clip.to(device) for clip in self.teacher], [clip.to(device) for clip in self.student]
        )


@dataclass
class LabelPrediction:
    """Output of a classifier for one clip."""

    scores: Tensor
    """(K,) logits of the classes."""

    @property
    def probs(self) -> Tensor:
        """(K,) probabilities on the CPU; float64 still distinguishes values close to 1."""
        return self.scores.double().cpu().softmax(dim=0)


@dataclass
class ClipPrediction:
    """Output of a segmentation model for one clip."""

    mask_logits: Tensor
    """(K, T, h, w) logits, one map per class; 0 is the boundary. The maps cover exactly the clip's
    H x W, usually at stride 4."""
    class_probs: Tensor
    """(K,) probability that the class is in the clip, 0 to 1."""
    present: Tensor
    """(K,) bool: true if the class is predicted to be in the clip."""
    boxes: Tensor | None = None
    """(K, T, 4) as (cx, cy, w, h), fractions of the clip's width and height; None if the model
    does not predict boxes."""
    box_scores: Tensor | None = None
    """(K, T) confidence that the class is in the frame with this box, 0 to 1."""
    tokens: Tensor | None = None
    """(T, h, w) int64 mask tokens; None if the model does not predict tokens."""
    token_entropy: Tensor | None = None
    """(T, h, w) entropy of each mask token in bits, a map of uncertainty; None as for `tokens`, and
    for a reconstruction."""

    def label_maps(self, geometry: Geometry) -> Tensor:
        """Make label maps at the original resolution; every pixel has one class.

        Returns:
            (T, H, W) uint8: 0 background, k + 1 for class k. A pixel belongs to the present class
            with the largest logit, or to the background if no logit is above 0.
        """
        outside = -1e4
        logits = self.mask_logits.float().masked_fill(~self.present[:, None, None, None], outside)
        logits = geometry.paste(logits, outside)
        best, label = logits.max(dim=0)
        return ((label + 1) * (best > 0)).byte()
