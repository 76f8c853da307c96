"""Lengths, volumes, beats and ejection fraction from masks, with reasons to doubt them."""
