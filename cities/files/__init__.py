"""The file formats of a city folder: YAML with line numbers, values, items and their faults; no checks
between items.
"""
