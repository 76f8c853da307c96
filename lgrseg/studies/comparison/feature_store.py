"""Cache of a frozen encoder's feature maps on disk, one safetensors file per clip.

    <cache>/<encoder>-<SHA-256 of its weights>-<H>x<W>-<preprocessing>/<xx>/<digest>.safetensors

Letters: T frames of a clip, C channels, h w of a map.
"""

import hashlib
import logging
import os
import uuid
import zlib
from pathlib import Path

import torch
from einops import rearrange
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

logger = logging.getLogger("lgrseg")

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def weights_hash(module: nn.Module) -> str:
    """SHA-256 (hex) of the names, types, shapes and values of all weights and buffers."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(_bytes(value))
    return digest.hexdigest()


class FeatureStore:
    """Feature maps by key. Files are written atomically; a damaged file counts as missing."""

    def __init__(self, *, folder: Path, precision: str = "float32"):
        """Set the folder, which is created with the first file.

        Args:
            folder: folder for one encoder, its weights, an input size and a preprocessing.
            precision: precision of the stored maps, a key of PRECISIONS; they are read as float32.

        Raises:
            ValueError: `precision` has another value.
        """
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
        self.folder, self.dtype = Path(folder), PRECISIONS[precision]

    def path(self, key: str) -> Path:
        """Path of the maps of a key."""
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        return self.folder / digest[:2] / f"{digest[2:]}.safetensors"

    def read(self, key: str) -> list[Tensor] | None:
        """Read maps [(T, C, h, w), ...] in float32, channels last in memory; None if missing.

        A damaged file is logged and deleted.
        """
        path = self.path(key)
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                maps = [file.get_tensor(f"map{n}") for n in range(len(file.keys()))]
            if metadata.get("key") != key or metadata.get("checksum") != _checksum(maps):
                raise ValueError("its checksum or key is wrong")
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, ValueError) as error:
            logger.warning("%s is damaged (%s): its features are computed again", path, error)
            path.unlink(missing_ok=True)
            return None
        return [rearrange(values, "t h w c -> t c h w").float() for values in maps]

    def write(self, key: str, maps: list[Tensor]) -> None:
        """Write the maps [(T, C, h, w), ...] of a clip.

        Raises:
            OSError: writing failed; no partial file is left.
        """
        stored = [
            rearrange(values.detach(), "t c h w -> t h w c").to("cpu", self.dtype).contiguous()
            for values in maps
        ]
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        half_done = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        metadata = {"key": key, "checksum": _checksum(stored)}
        try:
            save_file({f"map{n}": values for n, values in enumerate(stored)}, half_done, metadata)
            os.replace(half_done, path)
        except SafetensorError as error:  # raised by safetensors for a full disk
            raise OSError(
                f"{path} could not be written ({error}); check whether the disk is full"
            ) from error
        finally:
            half_done.unlink(missing_ok=True)


def _checksum(maps: list[Tensor]) -> str:
    crc = 0
    for values in maps:
        crc = zlib.crc32(_bytes(values), crc)
    return f"{crc:08x}"


def _bytes(values: Tensor):
    return values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
