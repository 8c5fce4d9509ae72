"""Queries about the past: observations, buckets, lineage, chunks for rules and back-tests.

Nothing here writes.
"""
