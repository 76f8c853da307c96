"""A segmenter that reads the feature maps of its frozen encoder from a cache, and its trainer.

The cache is not part of a run's config: config.yaml describes the plain model, which can load the
checkpoints.
"""

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from lgrseg.config import TARGET, instantiate
from lgrseg.engine.trainer import DefaultTrainer
from lgrseg.layers.map_size import map_size
from lgrseg.modeling.foundation import Encoder, FoundationBackbone
from lgrseg.modeling.heads.per_pixel import PerPixelSegmenter
from lgrseg.structures import Clip
from lgrseg.studies.comparison.feature_store import FeatureStore, weights_hash

ENCODER_SEED = 0
"""Seed of random weights of a frozen encoder, so that they are the same in every run."""
FEATURE_CACHE = "feature_cache"
"""Key by which a config tells `CachedTrainer.build_model` of the cache; removed afterwards."""


class CachedSegmenter(PerPixelSegmenter):
    """A PerPixelSegmenter that computes the encoder's maps of every clip once and caches them.

    For a clip in the cache (also from another run) only neck and head are computed. Maps are
    computed in float32, also under autocast. A clip without a key is computed every time.
    """

    backbone: FoundationBackbone
    """Or another module with `encoder` and `neck`."""

    def __init__(
        self,
        *,
        cache: Path,
        name: str,
        about: dict,
        precision: str = "float32",
        backbone: nn.Module,
        head: nn.Module | Callable[..., nn.Module],
        num_classes: int,
        ce_weight: float = 1.0,
        dice_weight: float = 1.0,
        pixel_mean: tuple[float, float, float] = (0.485, 0.456, 0.406),
        pixel_std: tuple[float, float, float] = (0.229, 0.224, 0.225),
    ):
        """Make a model whose backbone has `encoder` and `neck`.

        Args:
            cache: cache folder for the features of all encoders.
            name: name of the encoder, for the folder name.
            about: settings of the encoder on which its features depend, besides its weights.
            precision: precision of the cached maps, see FeatureStore.
            backbone: backbone, see PerPixelSegmenter.
            head: head, see PerPixelSegmenter.
            num_classes: number of classes.
            ce_weight: weight of the cross-entropy loss.
            dice_weight: weight of the Dice loss.
            pixel_mean: mean of each RGB channel, 0 to 1.
            pixel_std: standard deviation of each RGB channel.

        Raises:
            ValueError: the encoder is trained, so its features change.
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
                f"a {type(self.backbone).__name__} has no `encoder` whose features could be "
                "cached; compare a FoundationBackbone, or give a whole config as config:PATH"
            )
        trained = [n for n, p in encoder.named_parameters() if p.requires_grad]
        if trained:
            raise ValueError(
                f"features of a trained encoder change and cannot be cached: {len(trained)} of its "
                f"parameters are trained ({trained[0]}, ...); freeze it, or give a whole config as "
                "config:PATH"
            )
        self.encoder_hash = weights_hash(encoder)
        self.num_computed = 0
        """Number of clips for which the encoder was run."""
        self._cache, self._name, self._precision = Path(cache), name, precision
        self._about = about
        self._stores: dict[tuple[int, ...], FeatureStore] = {}

    def features(self, clips: list[Clip], images: Tensor) -> dict[str, Tensor]:
        """Compute the neck's maps; the encoder's maps are read from the cache if possible."""
        store = self._store(tuple(images.shape[-2:]))
        maps: dict[int, list[Tensor]] = {}
        for number, clip in enumerate(clips):
            if clip.key and (stored := store.read(clip.key)) is not None:
                maps[number] = stored
        missing = [number for number in range(len(clips)) if number not in maps]
        if missing:
            num_frames = len(images) // len(clips)
            of_clips = images.split(num_frames)
            computed = self._compute(torch.cat([of_clips[number] for number in missing]))
            parts = zip(*(level.split(num_frames) for level in computed), strict=True)
            for number, clip_maps in zip(missing, parts, strict=True):
                maps[number] = list(clip_maps)
                if key := clips[number].key:
                    store.write(key, maps[number])
            self.num_computed += len(missing)
        in_order = (maps[number] for number in range(len(clips)))
        levels = [torch.cat([m.to(images) for m in level]) for level in zip(*in_order, strict=True)]
        return self.backbone.neck(levels, size=map_size(images))

    def check_encoder(self) -> None:
        """Check after loading weights that the encoder is the one whose features are cached.

        Raises:
            ValueError: the encoder has other weights, so its features would get a wrong name.
        """
        if (loaded_hash := weights_hash(self.backbone.encoder)) != self.encoder_hash:
            raise ValueError(
                f"its encoder (SHA-256 {loaded_hash[:16]}) is not the one whose features are "
                f"cached ({self.encoder_hash[:16]}); load a checkpoint of the same encoder, or of "
                "neck and head only"
            )

    def _compute(self, images: Tensor) -> list[Tensor]:
        self.backbone.encoder.eval()
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return self.backbone.encoder(images)

    def _store(self, size: tuple[int, ...]) -> FeatureStore:
        if size not in self._stores:
            properties = {
                "encoder": self._name,
                "settings": self._about,
                "sha256": self.encoder_hash,
                "input_size": list(size),
                "mean": self.normalizer.get_buffer("mean").flatten().tolist(),
                "std": self.normalizer.get_buffer("std").flatten().tolist(),
                "precision": self._precision,
            }
            folder = self._cache / store_name(properties)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "about.json").write_text(json.dumps(properties, indent=1), encoding="utf-8")
            self._stores[size] = FeatureStore(folder=folder, precision=self._precision)
        return self._stores[size]


def store_name(properties: dict) -> str:
    """Folder name of one encoder's features; it contains everything on which they depend."""
    digest = hashlib.sha256(json.dumps(properties, sort_keys=True).encode()).hexdigest()[:8]
    height, width = properties["input_size"]
    return f"{properties['encoder']}-{properties['sha256'][:16]}-{height}x{width}-{digest}"


def build_frozen_encoder(cfg: DictConfig) -> Encoder:
    """Build the encoder of a config; random weights do not depend on the run's seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(ENCODER_SEED)
        return instantiate(cfg)


class CachedTrainer(DefaultTrainer):
    """Trains neck and head of a PerPixelSegmenter on cached features of its frozen encoder."""

    def __init__(
        self, cfg: DictConfig, *, cache: Path | None, name: str, precision: str = "float32"
    ):
        """Set up the trainer like DefaultTrainer, with a feature cache.

        Args:
            cfg: config whose model is a PerPixelSegmenter with an encoder in its backbone.
            cache: cache folder for the features of all encoders; None computes them in every step.
            name: name of the encoder.
            precision: precision of the cached maps, see FeatureStore.

        Raises:
            ValueError: the config has another type of model.
        """
        cfg = cfg.copy()
        if cache is not None:
            OmegaConf.set_struct(cfg, False)
            cfg[FEATURE_CACHE] = {"cache": str(cache), "name": name, "precision": precision}
        super().__init__(cfg)
        self.cfg.pop(FEATURE_CACHE, None)

    def load_state_dict(self, state: dict) -> None:
        """Like DefaultTrainer; raises ValueError if the encoder is not that of the cache."""
        super().load_state_dict(state)
        self._check_encoder()

    def load_weights(self, path: str | Path, *, strict: bool = True) -> None:
        """Like DefaultTrainer; raises ValueError if the file has another encoder than the cache."""
        super().load_weights(path, strict=strict)
        try:
            self._check_encoder()
        except ValueError as error:
            raise ValueError(f"{path} cannot be loaded: {error}") from error

    def _check_encoder(self) -> None:
        if isinstance(self.model, CachedSegmenter):
            self.model.check_encoder()

    @classmethod
    def build_model(cls, cfg: DictConfig) -> PerPixelSegmenter:
        """The model; its encoder does not depend on the run's seed.

        Raises:
            ValueError: the config has another type of model.
        """
        target = f"{PerPixelSegmenter.__module__}.{PerPixelSegmenter.__qualname__}"
        if cfg.model[TARGET] != target:
            raise ValueError(
                f"features are cached only for a PerPixelSegmenter, not for {cfg.model[TARGET]}; "
                "give the whole config as config:PATH"
            )
        cfg = copy.deepcopy(cfg)
        described = OmegaConf.to_container(cfg.model.backbone.encoder, resolve=True)
        encoder = build_frozen_encoder(cfg.model.backbone.encoder)
        del cfg.model.backbone.encoder
        backbone = instantiate(cfg.model.backbone, encoder=encoder)
        del cfg.model.backbone
        extra = {"backbone": backbone}
        if FEATURE_CACHE in cfg:
            OmegaConf.update(cfg, f"model.{TARGET}", f"{__name__}.CachedSegmenter")
            extra |= {**cfg[FEATURE_CACHE], "about": _without_files(described)}
        return instantiate(cfg.model, **extra)


def _without_files(node):
    """Remove paths of weights from a config; their content is in the hash."""
    if isinstance(node, dict):
        return {key: _without_files(item) for key, item in node.items() if key != "weights"}
    return [_without_files(item) for item in node] if isinstance(node, list) else node
