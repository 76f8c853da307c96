"""Random numbers and sums that are the same in every repetition of a run."""

import os
import random

import numpy as np
import torch


def use_deterministic_algorithms() -> None:
    """Sum gradients in a fixed order; torch warns about operations that cannot."""
    # cuBLAS reads this once at its start.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)


def seed_everything(*numbers: int) -> None:
    """Seed torch (all devices), NumPy and random from a tuple of numbers."""
    # The count is included, because trailing zeros alone would not change the seed.
    seeds = np.random.SeedSequence([len(numbers), *numbers]).generate_state(2, np.uint64)
    torch.manual_seed(int(seeds[0]))
    np.random.seed(int(seeds[1]) % 2**32)
    random.seed(int(seeds[1]))
