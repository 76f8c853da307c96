"""Frozen encoders compared: one head, split, budget and seeds; their features kept on disk."""
