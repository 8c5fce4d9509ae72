"""Validity of a mean over time: the share of its time that must have been measured.

Directive 2008/50/EC, annex VII (A, 2) and annex XI (A), requires 75 %: an hour needs 45 minutes, a mean over
8 hours 6 hours, a mean over 24 hours 18 hours. The same is required here of ten-minute means, for which no
published source was found.
"""

from __future__ import annotations

COVERAGE_MIN = 0.75


def is_valid(coverage: float) -> bool:
    """Whether a mean that covers this share (0 to 1) of its time may be used."""
    return coverage >= COVERAGE_MIN
