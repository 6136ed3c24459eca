"""Data sets that recipes and benchmarks share."""
