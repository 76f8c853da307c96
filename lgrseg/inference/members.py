"""One trained model with the input that it needs; an ensemble has several of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig, OmegaConf

from lgrseg.comm.processes import pick_device
from lgrseg.data.catalog import Metadata, MetadataCatalog
from lgrseg.data.io import Video, crop_frames
from lgrseg.inference.augmented_views import VIEWS, AveragedViews
from lgrseg.inference.averaging import average_predictions
from lgrseg.inference.frozen_run import FrozenRun
from lgrseg.inference.run_files import run_files
from lgrseg.inference.whole_videos import label_map, predict_each_frame
from lgrseg.inference.windows import window_of
from lgrseg.layers.speed import channels_last, hold_on_to_memory
from lgrseg.modeling.building import build_model
from lgrseg.modeling.contracts import ClipModel
from lgrseg.modeling.sam2.box_sam2 import BoxSam2
from lgrseg.structures import ClipPrediction, Geometry
from lgrseg.structures.box_prompts import BoxPrompt


@dataclass
class Member:
    """A model with its weights, and the mapper of its test clips."""

    name: str
    """Name to show to the user: the run's folder, or the file of the weights."""
    model: ClipModel
    mapper: DictConfig
    metadata: Metadata
    made_with: list[str | Path]
    """Settings and files that decide the model's masks."""

    @classmethod
    def load(cls, cfg: DictConfig, weights: Path, *, name: str = "", tta: bool = False) -> "Member":
        """Build the model that a config describes, and load its weights.

        Args:
            cfg: config of a segmentation run, with the device in `train.device`.
            weights: a .safetensors, .pth or .pt file.
            name: name to show to the user; by default the path of the weights.
            tta: True to average over several views of a clip (see augmented_views.py).

        Raises:
            KeyError: a part of the config is missing or unknown.
            OSError: the file of the weights does not exist.
            ValueError: the config does not describe a segmentation model, the weights belong to
                another model, or `tta` is set for a BOX-SAM2.
        """
        if not cfg.dataloader.test:
            raise ValueError(
                "the config has no loader in dataloader.test, which describes the classes and the "
                "input: use the config of a segmentation run, not of a pre-training"
            )
        dataset, loader = next(iter(cfg.dataloader.test.items()))
        metadata = MetadataCatalog.get(dataset)
        device = pick_device(cfg.train.device)
        if device.type == "cpu":
            hold_on_to_memory()
        model = build_model(cfg, weights=weights).eval()
        channels_last(model)
        if not model.predicts_masks:
            raise ValueError(
                "the config describes a classifier, which predicts no masks; "
                "tools/train_net.py --eval-only writes its predictions to predictions.csv"
            )
        name = name or str(weights)
        made_with: list[str | Path] = [
            OmegaConf.to_yaml(OmegaConf.create([cfg.model, loader.mapper])),
            Path(weights),
        ]
        if tta:
            if isinstance(model, BoxSam2):
                raise ValueError(
                    f"{name} is a BOX-SAM2, whose boxes belong to the unchanged clip: "
                    "use no test-time augmentation"
                )
            model = AveragedViews(model).eval()
            name, made_with = f"{name} (test-time augmentation)", [*made_with, repr(VIEWS)]
        return cls(name, model, loader.mapper, metadata, made_with)

    def find_boxes_with(self, run: str) -> None:
        """Let another run predict the boxes of a BOX-SAM2.

        Raises:
            FileNotFoundError: there is no such run, or it has no checkpoint.
            ValueError: the model takes no boxes.
        """
        if not isinstance(self.model, BoxSam2):
            raise ValueError(self.why_no_boxes())
        _, weights = run_files(Path(run))
        self.model.box_model = FrozenRun(run=run)
        self.made_with.append(weights)

    def check_boxes(self, boxes: list[BoxPrompt] | None) -> None:
        """Check that there are boxes if and only if the model needs them.

        Raises:
            ValueError: boxes are missing, the model takes no boxes, its mapper makes frames of
                another size than its SAM 2 needs, or the run that predicts boxes has other classes.
        """
        if not isinstance(self.model, BoxSam2):
            if boxes is not None:
                raise ValueError(self.why_no_boxes())
            return
        size, (height, width) = self.model.tracker.size, self.mapper.input_size
        if (height, width) != (size, size):
            raise ValueError(
                f"the SAM 2 of {self.name} needs frames of {size} x {size}, and its mapper makes "
                f"frames of {height} x {width}: train it with input_size=[{size}, {size}] in the "
                "mappers, or with another size in build_sam2"
            )
        box_model, classes = self.model.box_model, self.metadata.classes
        if isinstance(box_model, FrozenRun) and box_model.classes != classes:
            theirs = ", ".join(box_model.classes)
            raise ValueError(
                f"the run that predicts boxes has the classes {theirs}; the model has "
                f"{', '.join(classes)}"
            )
        if boxes is None and box_model is None:
            raise ValueError(
                "there is no box to start from: give boxes, with --box, --boxes or "
                "--boxes-from-model (in Python: predictor(clip, boxes=...))"
            )

    def why_no_boxes(self) -> str:
        """Message for boxes that are given to another model than a BOX-SAM2."""
        return (
            f"{self.name} is a {type(self.model).__name__}, which takes no boxes; "
            "use the run of a BOX-SAM2"
        )

    def geometry(
        self,
        size: tuple[int, int],
        box: tuple[int, int, int, int],
        spacing_mm: tuple[float, float] | None,
    ) -> Geometry:
        """Position of the model's input in a frame of `size` (H, W) that is cropped to `box`."""
        height, width = self.mapper.input_size
        return Geometry(size, box, (height, width), spacing_mm)

    def predict(
        self,
        frames: Sequence[np.ndarray],
        geometry: Geometry,
        *,
        video_id: str = "",
        boxes: list[BoxPrompt] | None = None,
    ) -> Iterator[tuple[int, ClipPrediction]]:
        """Yield the prediction of every frame in order, see `predict_each_frame`."""
        return predict_each_frame(
            self.model,
            frames,
            geometry,
            **window_of(self.mapper),
            video_id=video_id,
            boxes=boxes,
        )


def label_maps(
    members: Sequence[Member],
    video: Video,
    crop_box: tuple[int, int, int, int],
    *,
    video_id: str = "",
    boxes: list[BoxPrompt] | None = None,
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the masks of every frame in order, as the mean of all members.

    Args:
        members: models, at least one.
        video: clip to segment.
        crop_box: (top, left, bottom, right) of the part of the frame that the models get.
        video_id: identifier of the clip.
        boxes: prompts of a BOX-SAM2.

    Yields:
        (frame index, (H, W) uint8 label map).
    """
    size = video.frames.shape[1], video.frames.shape[2]
    frames = crop_frames(video.frames, crop_box)
    streams = []
    for member in members:
        geometry = member.geometry(size, crop_box, video.spacing_mm)
        streams.append(member.predict(frames, geometry, video_id=video_id, boxes=boxes))
    for by_member in zip(*streams, strict=True):
        index, prediction = by_member[0]
        if len(by_member) > 1:
            prediction = average_predictions([one for _, one in by_member])
        yield index, label_map(prediction, geometry)  # crop and size are those of all members
