"""Comparisons of encoders, and benchmarks of speed and exactness."""
