"""Clips of half the size in the first half of the run: a step costs about a third.

dataloader.train.early_iterations=N changes the length of that part.
"""

from copy import deepcopy


def change(cfg):
    """Use the training mapper with half the height and width in the first iterations."""
    loader = cfg.dataloader.train
    loader.early_mapper = deepcopy(loader.mapper)
    loader.early_mapper.input_size = [size // 2 for size in loader.mapper.input_size]
    loader.early_iterations = "${half:${train.max_iter}}"
