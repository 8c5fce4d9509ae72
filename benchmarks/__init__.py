"""The whole system under load on one machine: `make bench`, or `python -m benchmarks`."""
