"""A model from a config and its weights, that segments one clip at a time into files."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from lgrseg.checkpoint.files import load_weights
from lgrseg.comm.processes import pick_device
from lgrseg.config import instantiate, without_weights
from lgrseg.data.catalog import MetadataCatalog
from lgrseg.data.io import Video, crop_frames, read_video
from lgrseg.data.io.mask_files import MaskFile, write_masks
from lgrseg.data.io.placement import affine_of_file
from lgrseg.data.prepare.clip_files import box_of_clip
from lgrseg.inference.film import write_film
from lgrseg.inference.result_files import Existing, ResultFiles, mark_of, state_of_clip
from lgrseg.inference.whole_videos import predict_frames
from lgrseg.inference.windows import window_of
from lgrseg.layers.speed import channels_last, hold_on_to_memory
from lgrseg.modeling.heads.classifier import ClipClassifier
from lgrseg.structures import Geometry
from lgrseg.structures.box_prompts import BoxPrompt, check_prompts


@dataclass
class Outcome:
    """How a clip fared that did not fail."""

    notes: list[str] = field(default_factory=list)
    """What a user should know of it."""
    doubts: list[str] = field(default_factory=list)
    """Why its masks may be wrong."""
    was_there: bool = False
    """Whether its masks are of an earlier run."""


class Predictor:
    """Segments clips as a config's test clips are segmented."""

    def __init__(
        self,
        *,
        cfg: DictConfig,
        weights: Path,
        crop: bool = True,
        existing: Existing = Existing.KEEP_SAME,
    ):
        """Build the model and load its weights.

        Args:
            cfg: config of a run that segments; `train.device` is where the model computes.
            weights: .safetensors, .pth or .pt.
            crop: whether the fan alone is looked at, or the whole frame.
            existing: what happens to results that are there already.

        Raises:
            KeyError: a part of the config is missing or unknown.
            OSError: there are no such weights.
            ValueError: the config is of no segmenter, or the weights are of another model.
        """
        if not cfg.dataloader.test:
            raise ValueError(
                "the config has no dataloader.test, which says what is predicted and how: take "
                "that of a run that segments, not of a pre-training"
            )
        dataset, loader = next(iter(cfg.dataloader.test.items()))
        self.metadata, self._mapper = MetadataCatalog.get(dataset), loader.mapper
        device = pick_device(cfg.train.device)
        if device.type == "cpu":
            hold_on_to_memory()
        self.model = channels_last(instantiate(without_weights(cfg.model)).to(device)).eval()
        if isinstance(self.model, ClipClassifier):
            raise ValueError(
                "the config is of a classifier, which draws no masks; "
                "tools/train_net.py --eval-only writes its answers into predictions.csv"
            )
        load_weights(self.model, weights)
        self._crop, self._existing = crop, existing
        settings = OmegaConf.to_yaml(OmegaConf.create([cfg.model, self._mapper, crop]))
        self._made_with = mark_of([settings, weights])
        self._boxes: list[BoxPrompt] | None = None

    def take_boxes(self, boxes: list[BoxPrompt] | None, made_with: list[str | Path]) -> None:
        """Start a BOX-SAM2 from boxes by hand, or from those of its box model (None).

        `made_with` is what they come from, text or files: it tells these results from others.
        """
        self._boxes = boxes
        self._made_with = mark_of([self._made_with, *made_with])

    def predict(self, path: Path, stem: Path) -> Outcome:
        """Write the masks of a clip, and then a film of them.

        Raises:
            FileExistsError: there are other files of these names, which stay.
            Exception: whatever reading or predicting it raised; nothing is written then.
        """
        files = ResultFiles(stem)
        mark = mark_of([self._made_with, state_of_clip(path)])
        if files.are_finished(mark, self._existing):
            outcome = Outcome(was_there=True)
            if not files.film.exists():
                self._film(files, read_video(path), outcome)
            return outcome
        video = read_video(path)
        box, doubt = box_of_clip(video, crop=self._crop)
        outcome = Outcome(
            notes=[note for note in video.notes if note not in video.doubts],
            doubts=list(dict.fromkeys([*video.doubts, *([doubt] if doubt else [])])),
        )
        _say(path, outcome.notes + outcome.doubts)
        size = video.frames.shape[1:3]
        geometry = Geometry(size, box, tuple(self._mapper.input_size), video.spacing_mm)
        if self._boxes is not None:
            check_prompts(
                self._boxes,
                num_frames=len(video.frames),
                size=size,
                classes=self.metadata.classes,
            )
        files.check_replaceable(self._existing)
        shows_something = self._write_masks(files, path, video, geometry, mark)
        if not shows_something:
            outcome.doubts.append("its masks are empty in every frame")
            _say(path, outcome.doubts[-1:])
        told = len(outcome.notes)
        self._film(files, video, outcome)
        _say(path, outcome.notes[told:])
        return outcome

    def _write_masks(
        self, files: ResultFiles, path: Path, video: Video, geometry: Geometry, mark: str
    ) -> bool:
        """Whether any of the masks shows anything."""
        predicted = predict_frames(
            self.model,
            crop_frames(video.frames, geometry.crop_box),
            geometry,
            **window_of(self._mapper),
            video_id=files.masks.name,
            boxes=self._boxes,
        )
        shape, shows_something = video.frames.shape[:3], False

        def masks():
            nonlocal shows_something
            for _, labels in tqdm(predicted, desc=path.name, total=shape[0], unit="frame"):
                shows_something |= bool(labels.any())
                yield labels

        affine = affine_of_file(path, video.spacing_mm)
        files.film.unlink(missing_ok=True)  # of masks that are replaced
        write_masks(files.masks, masks(), shape=shape, affine=affine, made_by=mark)
        return shows_something

    def _film(self, files: ResultFiles, video: Video, outcome: Outcome) -> None:
        with MaskFile(files.masks) as masks:
            why_not = write_film(
                files.film, video.frames, masks, metadata=self.metadata, fps=video.fps
            )
        outcome.notes += [why_not] if why_not else []


def _say(path: Path, texts: list[str]) -> None:
    for text in texts:
        print(f"{path.name}: {text}", file=sys.stderr)
