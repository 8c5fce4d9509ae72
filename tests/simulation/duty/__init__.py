"""The seeded simulation of the duty loop: `python -m tests.simulation.duty --runs 10000 --jobs 2`."""
