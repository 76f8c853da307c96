"""Compares frozen encoders with the same head, split, budget and seeds, and cached features."""
