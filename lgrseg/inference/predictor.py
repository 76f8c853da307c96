"""Predictor: one or several trained models that segment and measure clips.

import lgrseg

predictor = lgrseg.Predictor.from_run("output/demo")
result = predictor("clip.mp4")
print(result.ejection_fraction, result.notes)
result.save("output/predictions")
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from lgrseg.config import load_config
from lgrseg.data.catalog import Metadata
from lgrseg.data.io import Video
from lgrseg.data.prepare.fan_crop import find_fan
from lgrseg.inference.clip_input import Spacing, as_video
from lgrseg.inference.mask_array import empty_masks
from lgrseg.inference.members import Member, label_maps
from lgrseg.inference.postprocessing import Postprocessing
from lgrseg.inference.pretrained import DEFAULT, notes_of, pretrained_run
from lgrseg.inference.result import Result
from lgrseg.inference.result_files import mark_of, state_of_clip
from lgrseg.inference.run_files import run_files
from lgrseg.structures.box_prompts import BoxPrompt, check_prompts


class Predictor:
    """Segments and measures clips, with the same preparation as the test clips of a run."""

    def __init__(
        self,
        *,
        members: Sequence[Member],
        crop: bool = True,
        progress: bool = False,
        postprocessing: Postprocessing = Postprocessing(),  # noqa: B008, it cannot be changed
    ):
        """Combine loaded models; `from_run` loads those of runs.

        For a config with other weights, use `Predictor(members=[Member.load(cfg, weights)])`.

        Args:
            members: models, at least one; the class probabilities of several are averaged.
            crop: True to use only the ultrasound fan, False to use the whole frame.
            progress: True to show a progress bar for every clip.
            postprocessing: clean-up of every frame's masks; by default none.

        Raises:
            ValueError: the members have different classes.
        """
        for member in members[1:]:
            if member.metadata.classes != members[0].metadata.classes:
                raise ValueError(
                    "an ensemble averages runs of the same classes in the same order: "
                    + "; ".join(f"{m.name} has {', '.join(m.metadata.classes)}" for m in members)
                )
        self.members, self.crop, self.progress = list(members), crop, progress
        self.postprocessing = postprocessing
        self.notes: list[str] = []

    @classmethod
    def from_pretrained(cls, name: str = DEFAULT, **how: Any) -> "Predictor":
        """Load a model that comes with the package.

        Args:
            name: "apical_simulated": left ventricle, myocardium and left atrium in apical
                four-chamber views. It was trained on simulated hearts, and is for research.
            how: `device`, `tta`, `crop` and `progress`, as in `from_run`.

        Raises:
            ValueError: there is no such model.
        """
        return cls.from_run(pretrained_run(name), **how)

    @classmethod
    def from_run(
        cls,
        run: str | Path | Sequence[str | Path],
        *,
        weights: str | Path | None = None,
        device: str = "auto",
        tta: bool = False,
        crop: bool = True,
        progress: bool = False,
        postprocessing: str | Path | None = None,
        trusted: Sequence[str] = (),
    ) -> "Predictor":
        """Load the model of a finished run, or of several whose predictions are averaged.

        Of several runs, such as the folds of a cross-validation, the probability of each class at
        each pixel is averaged (averaging.py). Every run has its own input size and windows. All
        models are in memory at the same time.

        Args:
            run: folder of the run, with config.yaml and checkpoints/; or a list of such folders, of
                runs with the same classes.
            weights: "best" or "last" checkpoint of every run, or, for one run, a file; None takes
                the best checkpoint if there is one, otherwise the last.
            device: "cpu", "cuda", or "auto" for a GPU if there is one.
            tta: True for test-time augmentation: the mean over five views of the clip, some of them
                rotated, brighter or darker (augmented_views.py), which takes five times as long.
            crop: True to use only the ultrasound fan, False to use the whole frame.
            progress: True to show a progress bar for every clip.
            postprocessing: cross_validation.json of the folds, whose choice of post-processing is
                used; None for no post-processing.
            trusted: names of your own packages that the run's config may call, as with --trust.

        Raises:
            FileNotFoundError: there is no such run, or it has no such checkpoint.
            ValueError: the list is empty, the runs have different classes, or the cross-validation
                chose no post-processing.
        """
        runs = [run] if isinstance(run, str | Path) else list(run)
        if not runs:
            raise ValueError(f"run={run!r}: give the folder of a run, or several")
        clean_up = Postprocessing.read(postprocessing) if postprocessing else Postprocessing()
        members = []
        for folder in map(Path, runs):
            config, file = run_files(folder, weights)
            cfg = load_config(config, [f"train.device={device}"], trusted=trusted)
            members.append(Member.load(cfg, file, name=str(folder), tta=tta))
        predictor = cls(members=members, crop=crop, progress=progress, postprocessing=clean_up)
        predictor.notes += notes_of(runs)
        return predictor

    @property
    def metadata(self) -> Metadata:
        """Classes and colours of the masks."""
        return self.members[0].metadata

    @property
    def name(self) -> str:
        """Names of the runs."""
        return " + ".join(member.name for member in self.members)

    def find_boxes_with(self, run: str | Path) -> None:
        """Let another run predict the boxes of a BOX-SAM2.

        Args:
            run: folder of the run; its checkpoint is chosen as in `from_run`.

        Raises:
            FileNotFoundError: there is no such run, or it has no checkpoint.
            ValueError: the model takes no boxes.
        """
        for member in self.members:
            member.find_boxes_with(str(run))
        self.__dict__.pop("mark", None)

    @functools.cached_property
    def mark(self) -> str:
        """Hash of everything except the clip that decides the masks: weights and settings."""
        parts = [part for member in self.members for part in member.made_with]
        parts += [repr(self.postprocessing)] if self.postprocessing else []
        return mark_of([*parts, f"crop={self.crop}"])

    def made_with_clip(
        self,
        path: Path,
        *,
        spacing_mm: Spacing | None = None,
        fps: float | None = None,
        boxes: list[BoxPrompt] | None = None,
    ) -> str:
        """Hash of weights, settings and the present state of a clip; nothing is predicted."""
        return mark_of([self.mark, state_of_clip(path), repr((spacing_mm, fps, boxes))])

    def __call__(
        self,
        clip: str | Path | np.ndarray | Video,
        *,
        spacing_mm: Spacing | None = None,
        fps: float | None = None,
        boxes: list[BoxPrompt] | None = None,
    ) -> Result:
        """Segment a clip; the memory use does not grow with its length.

        Args:
            clip: path, frames (T, H, W) or (T, H, W, 3), or a Video.
            spacing_mm: millimetres between rows and between columns, or one number for both; None
                uses the spacing of the file. Without a spacing there are no volumes, only a note.
            fps: frames per second; None uses the rate of the file.
            boxes: prompts of a BOX-SAM2; None uses the boxes of its box model.

        Raises:
            OSError: there is no such file.
            ValueError: the clip cannot be read, or a box is invalid.
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
        """Read a clip and find its fan; `draw_masks` then adds the masks to the result.

        Arguments and errors are the same as for `predictor(clip)`.
        """
        video = as_video(clip, spacing_mm=spacing_mm, fps=fps)
        path = Path(clip) if isinstance(clip, str | Path) else None
        result = Result.of_clip(video, path, metadata=self.metadata, model=self.name)
        result.clip_notes += self.notes
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

    def draw_masks(
        self,
        result: Result,
        *,
        boxes: list[BoxPrompt] | None = None,
        on_frame: Callable[[int], None] | None = None,
    ) -> None:
        """Predict the masks of a result, frame by frame.

        Args:
            result: a clip from `prepare`.
            boxes: prompts of a BOX-SAM2.
            on_frame: function that is called with the index of every finished frame; an error that
                it raises ends the prediction.
        """
        num_frames, height, width = result.video.frames.shape[:3]
        result.masks = empty_masks((num_frames, height, width))
        frames = label_maps(
            self.members, result.video, result.crop_box, video_id=result.name, boxes=boxes
        )
        bar = {"desc": result.name, "unit": "frame", "disable": not self.progress}
        for index, labels in tqdm(frames, total=num_frames, **bar):
            result.masks[index] = self.postprocessing(labels) if self.postprocessing else labels
            if on_frame is not None:
                on_frame(index)
        if not any(labels.any() for labels in result.masks):
            result.doubts.append("its masks are empty in every frame")
