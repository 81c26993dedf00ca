"""Benchmarks of polyreme beside its peers; `bench/compare` runs them and docs/benchmarks.md tells the method."""
