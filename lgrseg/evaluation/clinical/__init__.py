"""Lengths, volumes, beats and ejection fraction from masks, with reasons why they may be wrong."""
