"""What a frozen encoder makes of a clip, kept on disk: one safetensors file a clip.

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
    """SHA-256 over the names, types, shapes and values of all weights and buffers, as hex."""
    found = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        found.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        found.update(_bytes(value))
    return found.hexdigest()


class FeatureStore:
    """Maps by key; a file appears whole or not at all, and a damaged one counts as absent."""

    def __init__(self, *, folder: Path, precision: str = "float32"):
        """Nothing is made yet.

        Args:
            folder: of one encoder, its weights, an input size and a preprocessing.
            precision: in which maps are kept, a key of PRECISIONS; they come back as float32.

        Raises:
            ValueError: another precision.
        """
        if precision not in PRECISIONS:
            raise ValueError(f"precision is one of {', '.join(PRECISIONS)}, not {precision!r}")
        self.folder, self.dtype = Path(folder), PRECISIONS[precision]

    def path(self, key: str) -> Path:
        """Where the maps of a key are."""
        digest = hashlib.sha256(key.encode()).hexdigest()[:32]
        return self.folder / digest[:2] / f"{digest[2:]}.safetensors"

    def read(self, key: str) -> list[Tensor] | None:
        """Maps [(T, C, h, w), ...] in float32, channels last in memory; None where there are none.

        A damaged file is told of and deleted.
        """
        path = self.path(key)
        try:
            with safe_open(path, "pt") as file:
                facts = file.metadata() or {}
                maps = [file.get_tensor(f"map{n}") for n in range(len(file.keys()))]
            if facts.get("key") != key or facts.get("checksum") != _checksum(maps):
                raise ValueError("its content is not what was written")
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError, ValueError) as error:
            logger.warning("%s is damaged (%s): its features are computed anew", path, error)
            path.unlink(missing_ok=True)
            return None
        return [rearrange(values, "t h w c -> t c h w").float() for values in maps]

    def write(self, key: str, maps: list[Tensor]) -> None:
        """Keep the maps [(T, C, h, w), ...] of a clip.

        Raises:
            OSError: the disk does not take them; no half file is left.
        """
        kept = [
            rearrange(values.detach(), "t c h w -> t h w c").to("cpu", self.dtype).contiguous()
            for values in maps
        ]
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        half_done = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        facts = {"key": key, "checksum": _checksum(kept)}
        try:
            save_file({f"map{n}": values for n, values in enumerate(kept)}, half_done, facts)
            os.replace(half_done, path)
        except SafetensorError as error:  # how safetensors reports a full disk
            raise OSError(f"{path} could not be written ({error}); is the disk full?") from error
        finally:
            half_done.unlink(missing_ok=True)


def _checksum(maps: list[Tensor]) -> str:
    found = 0
    for values in maps:
        found = zlib.crc32(_bytes(values), found)
    return f"{found:08x}"


def _bytes(values: Tensor):
    return values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
