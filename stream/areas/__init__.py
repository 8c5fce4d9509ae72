"""The second stage: values of entities are rolled up into values of areas, and neighbours are compared; no
I/O.
"""
