"""Benchmarks: comparisons with baselines and other programs. Run as `python -m bench.NAME`."""
