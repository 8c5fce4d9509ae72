"""The cases that `python -m benchmarks CASE` runs, a module each: its command, its run and its table.

What several cases share belongs to the other rooms.
"""
