"""The figures of a run as tables and JSON, and their comparison with the last committed run.

Nothing here measures.
"""
