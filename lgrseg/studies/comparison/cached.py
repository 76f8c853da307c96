"""A segmenter whose frozen encoder's maps come from the disk, and the trainer that builds it.

How a run's features come about is no part of its config: config.yaml describes the plain model,
and its checkpoints load there.
"""

import copy
import hashlib
import json
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from lgrseg.config import TARGET, instantiate
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter
from lgrseg.structures import Clip
from lgrseg.studies.comparison.feature_store import FeatureStore, weights_hash

ENCODER_SEED = 0
"""Random weights of a frozen encoder are the same in every run, as weights from a file would be."""


class CachedSegmenter(PerPixelSegmenter):
    """A PerPixelSegmenter that computes the maps of every named clip once, and then reads them.

    Only neck and head run for a clip that was seen before, here or in another run. Maps are
    computed in float32, also under autocast. A clip without a key is computed every time.
    """

    def __init__(
        self,
        *,
        cache: Path,
        name: str,
        about: dict,
        precision: str = "float32",
        backbone: nn.Module,
        head: nn.Module,
        num_classes: int,
        ce_weight: float = 1.0,
        dice_weight: float = 1.0,
        pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225),
    ):
        """A model of a backbone with `encoder` and `neck`.

        Args:
            cache: folder of all encoders' features.
            name: of the encoder, for the folder's name.
            about: what else its features depend on, beside its weights: its settings.
            precision: in which maps are kept (FeatureStore).
            backbone: of this and the rest, see PerPixelSegmenter.
            head: likewise.
            num_classes: likewise.
            ce_weight: likewise.
            dice_weight: likewise.
            pixel_mean: likewise.
            pixel_std: likewise.

        Raises:
            ValueError: the encoder is trained, so that its features change.
        """
        super().__init__(
            backbone=backbone,
            head=head,
            num_classes=num_classes,
            ce_weight=ce_weight,
            dice_weight=dice_weight,
            pixel_mean=pixel_mean,
            pixel_std=pixel_std,
        )
        encoder = getattr(self.backbone, "encoder", None)
        if encoder is None:
            raise ValueError(
                f"a {type(self.backbone).__name__} has no `encoder` whose features could be kept; "
                "compare a FoundationBackbone, or name a whole config as config:PATH"
            )
        trained = [n for n, p in encoder.named_parameters() if p.requires_grad]
        if trained:
            raise ValueError(
                f"features of a trained encoder change and cannot be kept: {len(trained)} of its "
                f"parameters are trained ({trained[0]}, ...); freeze it, or name a whole config as "
                "config:PATH"
            )
        self.encoder_hash = weights_hash(encoder)
        self.num_computed = 0
        """Clips that the encoder was run for."""
        self._cache, self._name, self._precision = Path(cache), name, precision
        self._about = about
        self._stores: dict[tuple[int, ...], FeatureStore] = {}

    def features(self, clips: list[Clip], images: Tensor) -> dict[str, Tensor]:
        """The neck's maps, of the encoder's maps from the disk where they are there."""
        store = self._store(tuple(images.shape[-2:]))
        maps = [store.read(clip.key) if clip.key else None for clip in clips]
        missing = [number for number, found in enumerate(maps) if found is None]
        if missing:
            num_frames = len(images) // len(clips)
            of_clips = images.split(num_frames)
            computed = self._compute(torch.cat([of_clips[number] for number in missing]))
            parts = zip(*(level.split(num_frames) for level in computed), strict=True)
            for number, found in zip(missing, parts, strict=True):
                maps[number] = list(found)
                if clips[number].key:
                    store.write(clips[number].key, maps[number])
            self.num_computed += len(missing)
        levels = [torch.cat([m.to(images) for m in level]) for level in zip(*maps, strict=True)]
        return self.backbone.neck(levels, size=tuple(images.shape[-2:]))

    def check_encoder(self) -> None:
        """After weights were loaded: the encoder is still the one whose features are kept.

        Raises:
            ValueError: it is another, so that its features would be kept under a wrong name.
        """
        if (found := weights_hash(self.backbone.encoder)) != self.encoder_hash:
            raise ValueError(
                f"the encoder in it (SHA-256 {found[:16]}) is not the one whose features are kept "
                f"({self.encoder_hash[:16]}); a checkpoint of the same encoder, or of neck and "
                "head alone, can be loaded"
            )

    def _compute(self, images: Tensor) -> list[Tensor]:
        self.backbone.encoder.eval()
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return self.backbone.encoder(images)

    def _store(self, size: tuple[int, ...]) -> FeatureStore:
        if size not in self._stores:
            facts = {
                "encoder": self._name,
                "settings": self._about,
                "sha256": self.encoder_hash,
                "input_size": list(size),
                "mean": self.normalizer.mean.flatten().tolist(),
                "std": self.normalizer.std.flatten().tolist(),
                "precision": self._precision,
            }
            folder = self._cache / store_name(facts)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "about.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
            self._stores[size] = FeatureStore(folder=folder, precision=self._precision)
        return self._stores[size]


def store_name(facts: dict) -> str:
    """Name of the folder of one encoder's features: everything that they depend on."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]
    height, width = facts["input_size"]
    return f"{facts['encoder']}-{facts['sha256'][:16]}-{height}x{width}-{digest}"


def build_frozen_encoder(cfg: DictConfig) -> nn.Module:
    """The encoder that a config describes; random weights do not depend on the run's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(ENCODER_SEED)
        return instantiate(cfg)


class CachedTrainer(DefaultTrainer):
    """Trains neck and head of a PerPixelSegmenter on the kept features of its frozen encoder."""

    def __init__(self, cfg: DictConfig, *, cache: Path | None, name: str, precision="float32"):
        """As DefaultTrainer.

        Args:
            cfg: its model is a PerPixelSegmenter on a backbone with an encoder.
            cache: folder of all encoders' features; None computes them in every step.
            name: of the encoder.
            precision: in which maps are kept.

        Raises:
            ValueError: another model.
        """
        self._settings = {"cache": cache, "name": name, "precision": precision}
        super().__init__(cfg)

    def load_state_dict(self, state: dict) -> None:
        """As DefaultTrainer; ValueError where it has another encoder than the kept features."""
        super().load_state_dict(state)
        self._check_encoder()

    def load_weights(self, path: str | Path, *, strict: bool = True) -> None:
        """As DefaultTrainer; ValueError where they have another encoder than the kept features."""
        super().load_weights(path, strict=strict)
        try:
            self._check_encoder()
        except ValueError as error:
            raise ValueError(f"{path} cannot be loaded: {error}") from error

    def _check_encoder(self) -> None:
        if self._settings["cache"] is not None:
            self.model.check_encoder()

    def build_model(self, cfg: DictConfig) -> PerPixelSegmenter:
        """The model; its encoder is the same whatever the run's seed."""
        target = f"{PerPixelSegmenter.__module__}.{PerPixelSegmenter.__qualname__}"
        if cfg.model[TARGET] != target:
            raise ValueError(
                f"features are kept for a PerPixelSegmenter, not for {cfg.model[TARGET]}; name "
                "the whole config as config:PATH"
            )
        cfg = copy.deepcopy(cfg)
        described = OmegaConf.to_container(cfg.model.backbone.encoder, resolve=True)
        encoder = build_frozen_encoder(cfg.model.backbone.encoder)
        del cfg.model.backbone.encoder
        backbone = instantiate(cfg.model.backbone, encoder=encoder)
        del cfg.model.backbone
        extra = {"backbone": backbone}
        if self._settings["cache"] is not None:
            OmegaConf.update(cfg, f"model.{TARGET}", f"{__name__}.CachedSegmenter")
            extra |= self._settings | {"about": _without_files(described)}
        return instantiate(cfg.model, **extra)


def _without_files(node):
    """A config without paths of weights, whose content is known by its hash."""
    if isinstance(node, dict):
        return {key: _without_files(item) for key, item in node.items() if key != "weights"}
    return [_without_files(item) for item in node] if isinstance(node, list) else node
