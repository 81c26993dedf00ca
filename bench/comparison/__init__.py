"""Runs the benchmark programs interleaved, keeps every sample, and derives medians, ranges and ratios from them."""
