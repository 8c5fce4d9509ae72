"""The cases of `python -m benchmarks CASE`, a module each: its command, its run and its table.

Parts that several cases share belong to the other rooms.
"""
