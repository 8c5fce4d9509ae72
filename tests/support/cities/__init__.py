"""Models and folders of cities for tests and benchmarks, all made by one builder; no messages and no running
parts.
"""
