"""Benchmarks of the whole system on one machine: `make bench`, or `python -m benchmarks`."""
