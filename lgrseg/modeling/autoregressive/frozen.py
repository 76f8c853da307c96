"""A trained tokenizer inside another model: loaded, frozen, and never exchanged."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn

from lgrseg.checkpoint.files import CheckpointError
from lgrseg.checkpoint.loading import load_weights
from lgrseg.modeling.autoregressive.tokenizer import MaskTokenizer


def fingerprint(module: nn.Module) -> Tensor:
    """(32,) uint8 on the CPU: SHA-256 of the names and values of all weights and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return torch.tensor(list(digest.digest()), dtype=torch.uint8)


def frozen_tokenizer(*, tokenizer: MaskTokenizer, weights: str | Path | None) -> MaskTokenizer:
    """Load a trained tokenizer, and freeze it.

    Args:
        tokenizer: tokenizer with the settings of the checkpoint.
        weights: its checkpoint, of a run of configs/ar_seg/tokenizer.py. None is only for models
            whose own checkpoint is loaded afterwards, because that contains the tokenizer.

    Raises:
        FileNotFoundError: there is no such file.
        CheckpointError: the checkpoint belongs to a tokenizer with other settings.
    """
    if weights:
        if not Path(weights).is_file():
            raise FileNotFoundError(
                f"there is no tokenizer {weights}: train it with configs/ar_seg/tokenizer.py and "
                "the same dataset, or give its checkpoint with model.tokenizer.weights=..."
            )
        load_weights(tokenizer, weights)
        tokenizer.source = str(weights)
    return tokenizer.requires_grad_(False).eval()


def refuse_another_tokenizer(module, state_dict, prefix, *_) -> None:
    """Raise an error if a checkpoint was trained with another tokenizer than the loaded one."""
    sha = state_dict.get(f"{prefix}tokenizer_sha")
    source = module.sequence.tokenizer.source
    if sha is not None and source and not torch.equal(sha.cpu(), module.tokenizer_sha.cpu()):
        raise CheckpointError(
            f"the checkpoint was trained with another tokenizer than {source}, so its tokens have "
            "another meaning: set model.tokenizer.weights to the tokenizer of that run, or to "
            "null, because the checkpoint contains its tokenizer"
        )
