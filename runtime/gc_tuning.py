"""Python's collector of reference cycles, set for a process that makes many short-lived objects.

Almost nothing here lies in a cycle, and reference counts free the rest at once. As it comes, the collector
looks through the newest objects after each 700, and now and then through all of them: an eighth of the stream
processor's time.
"""

from __future__ import annotations

import gc

GC_THRESHOLD_YOUNG = 50_000
"""New objects before the newest are looked through: some 10 MB, were they all garbage."""

GC_THRESHOLD_MIDDLE = 20
GC_THRESHOLD_OLD = 50


def tune_gc() -> None:
    """Look for cycles seldom, and never again in what is there by now: it stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD_YOUNG, GC_THRESHOLD_MIDDLE, GC_THRESHOLD_OLD)
