"""Checkpoint files (written completely or not at all), pretrained weights, weight averaging."""
