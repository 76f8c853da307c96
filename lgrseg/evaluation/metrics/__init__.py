"""Measures of masks, boxes and labels, and intervals over patients."""
