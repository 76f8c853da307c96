"""Predictor: one or several trained models that segment and measure clips.

import lgrseg

predictor = lgrseg.Predictor.from_run("output/demo")
result = predictor("clip.mp4")
print(result.ejection_fraction, result.notes)
result.save("output/predictions")
"""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from lgrseg.config import load_config
from lgrseg.data.catalog import Metadata
from lgrseg.data.io import Video, crop_frames
from lgrseg.data.prepare.fan_crop import find_fan
from lgrseg.inference.averaging import average_predictions
from lgrseg.inference.clip_input import Spacing, as_video
from lgrseg.inference.mask_array import empty_masks
from lgrseg.inference.members import Member
from lgrseg.inference.result import Result
from lgrseg.inference.result_files import mark_of, state_of_clip
from lgrseg.inference.run_files import run_files
from lgrseg.inference.whole_videos import label_map
from lgrseg.structures.box_prompts import BoxPrompt, check_prompts


class Predictor:
    """Segments clips as the test clips of a run are segmented, and measures them."""

    def __init__(self, *, members: Sequence[Member], crop: bool = True, progress: bool = False):
        """Take models that are loaded, as `from_run` and `ensemble` load those of runs.

        A config with weights from elsewhere is `Predictor(members=[Member.load(cfg, weights)])`.

        Args:
            members: at least one model; the class probabilities of several are averaged.
            crop: look at the ultrasound fan alone (True), or at the whole frame.
            progress: show a progress bar for every clip.

        Raises:
            ValueError: the members know different classes.
        """
        for member in members[1:]:
            if member.metadata.classes != members[0].metadata.classes:
                raise ValueError(
                    "an ensemble averages runs of the same classes in the same order: "
                    + "; ".join(f"{m.name} has {', '.join(m.metadata.classes)}" for m in members)
                )
        self.members, self.crop, self.progress = list(members), crop, progress

    @classmethod
    def from_run(
        cls,
        run: str | Path,
        *,
        weights: str | Path | None = None,
        device: str = "auto",
        tta: bool = False,
        crop: bool = True,
        progress: bool = False,
        trusted: Sequence[str] = (),
    ) -> "Predictor":
        """The model of a finished run.

        Args:
            run: folder that the training wrote, with config.yaml and checkpoints/.
            weights: "best" or "last" checkpoint, or a file; None takes the best one where there is
                one, else the last.
            device: "cpu", "cuda", or "auto" for a GPU where there is one.
            tta: test-time augmentation: average over five views of the clip, turned a little,
                brighter and darker (augmented_views.py), in five times the time.
            crop: look at the ultrasound fan alone (True), or at the whole frame.
            progress: show a progress bar for every clip.
            trusted: packages of your own that the run's config may call, as --trust names them.

        Raises:
            FileNotFoundError: there is no such run, or it has no such checkpoint.
        """
        return cls.ensemble(
            [run],
            weights=weights,
            device=device,
            tta=tta,
            crop=crop,
            progress=progress,
            trusted=trusted,
        )

    @classmethod
    def ensemble(
        cls,
        runs: Sequence[str | Path],
        *,
        weights: str | Path | None = None,
        device: str = "auto",
        tta: bool = False,
        crop: bool = True,
        progress: bool = False,
        trusted: Sequence[str] = (),
    ) -> "Predictor":
        """The mean of several runs, such as the folds of a cross-validation.

        The probability of each class at each pixel is averaged (averaging.py). Every run sees the
        clip at its own size and in its own windows. All models are held at the same time.

        Args:
            runs: folders of finished runs of the same classes.
            weights: "best" or "last" checkpoint of every run, or None; otherwise as in `from_run`.
            device: device of the computation, as in `from_run`.
            tta: test-time augmentation, as in `from_run`, for every run.
            crop: look at the ultrasound fan alone (True), or at the whole frame.
            progress: show a progress bar for every clip.
            trusted: trusted packages, as in `from_run`.

        Raises:
            FileNotFoundError: there is no such run, or it has no such checkpoint.
            ValueError: there is no run, or the runs know different classes.
        """
        if isinstance(runs, str | Path) or not runs:
            raise ValueError(f"runs={runs!r}: an ensemble is a list of folders of runs")
        members = []
        for run in map(Path, runs):
            config, file = run_files(run, weights)
            cfg = load_config(config, [f"train.device={device}"], trusted=trusted)
            members.append(Member.load(cfg, file, name=str(run), tta=tta))
        return cls(members=members, crop=crop, progress=progress)

    @property
    def metadata(self) -> Metadata:
        """Classes and colours of the masks."""
        return self.members[0].metadata

    @property
    def name(self) -> str:
        """Names of the runs."""
        return " + ".join(member.name for member in self.members)

    def find_boxes_with(self, run: str | Path) -> None:
        """Let the boxes of a BOX-SAM2 come from another run, which predicts them.

        Raises:
            FileNotFoundError: there is no such run.
            ValueError: the model takes no boxes, or the run knows other classes.
        """
        for member in self.members:
            member.find_boxes_with(str(run))
        self.__dict__.pop("mark", None)

    @functools.cached_property
    def mark(self) -> str:
        """A mark of what decides the masks beside the clip: weights and settings."""
        parts = [part for member in self.members for part in member.made_with]
        return mark_of([*parts, f"crop={self.crop}"])

    def made_with_clip(
        self,
        path: Path,
        *,
        spacing_mm: Spacing | None = None,
        fps: float | None = None,
        boxes: list[BoxPrompt] | None = None,
    ) -> str:
        """The mark of the masks of a clip as it is now; nothing is predicted."""
        return mark_of([self.mark, state_of_clip(path), repr((spacing_mm, fps, boxes))])

    def __call__(
        self,
        clip: str | Path | np.ndarray | Video,
        *,
        spacing_mm: Spacing | None = None,
        fps: float | None = None,
        boxes: list[BoxPrompt] | None = None,
    ) -> Result:
        """Segment a clip; the memory that this takes does not grow with its length.

        Args:
            clip: path, frames (T, H, W) or (T, H, W, 3), or a Video.
            spacing_mm: millimetres between rows and between columns, or one number for both; None
                takes what the file says. Without any there are no volumes, and a note says so.
            fps: frames a second of an array; None takes what the file says.
            boxes: prompts of a BOX-SAM2; None takes those of its box model.

        Raises:
            OSError: there is no such file.
            ValueError: the clip cannot be read, or the boxes cannot be meant.
        """
        result = self.prepare(clip, spacing_mm=spacing_mm, fps=fps, boxes=boxes)
        self.draw_masks(result, boxes=boxes)
        return result

    def prepare(
        self,
        clip: str | Path | np.ndarray | Video,
        *,
        spacing_mm: Spacing | None = None,
        fps: float | None = None,
        boxes: list[BoxPrompt] | None = None,
    ) -> Result:
        """Read a clip and find its fan: a result whose masks `draw_masks` draws.

        Arguments and errors are those of a call.
        """
        video = as_video(clip, spacing_mm=spacing_mm, fps=fps)
        path = Path(clip) if isinstance(clip, str | Path) else None
        result = Result.of_clip(video, path, metadata=self.metadata, model=self.name)
        if path is not None:
            result.made_by = self.made_with_clip(path, spacing_mm=spacing_mm, fps=fps, boxes=boxes)
        else:
            result.made_by = mark_of([self.mark, f"array {video.frames.shape}"])
        if self.crop:
            fan = find_fan(video.frames)
            result.crop_box, result.fan = fan.box, fan.mask if fan.found else None
            result.doubts += [fan.doubt] if fan.doubt else []
        for member in self.members:
            member.check_boxes(boxes)
        if boxes is not None:
            num_frames, height, width = video.frames.shape[:3]
            check_prompts(
                boxes,
                num_frames=num_frames,
                size=(height, width),
                classes=self.metadata.classes,
            )
        return result

    def draw_masks(self, result: Result, *, boxes: list[BoxPrompt] | None = None) -> None:
        """Fill the masks of a result, frame by frame."""
        result.masks = self._masks(result, boxes)
        if not any(labels.any() for labels in result.masks):
            result.doubts.append("its masks are empty in every frame")

    def _masks(self, result: Result, boxes: list[BoxPrompt] | None) -> np.ndarray:
        video = result.video
        num_frames, height, width = video.frames.shape[:3]
        frames = crop_frames(video.frames, result.crop_box)
        streams = []
        for member in self.members:
            geometry = member.geometry((height, width), result.crop_box, video.spacing_mm)
            streams.append(member.predict(frames, geometry, video_id=result.name, boxes=boxes))
        masks = empty_masks((num_frames, height, width))
        bar = tqdm(
            zip(*streams, strict=True),
            total=num_frames,
            desc=result.name,
            unit="frame",
            disable=not self.progress,
        )
        for by_member in bar:
            index, prediction = by_member[0]
            if len(by_member) > 1:
                prediction = average_predictions([found for _, found in by_member])
            masks[index] = label_map(prediction, geometry)
        return masks
