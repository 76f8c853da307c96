"""Benchmarks of tools/benchmark.py, one file per subject."""
