"""The benchmarks of docs/benchmarks.md."""
