"""What a sound device reports, and what is delivered of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from twin.instant import Instant


class Reading(NamedTuple):
    """One value as the device tells it, in the canonical unit of what it observes."""

    field: str
    time: Instant | None  #: phenomenon time that is told; None: none is told, the arrival counts
    value: float


class Report(NamedTuple):
    """What a device would tell at an instant if nothing were wrong."""

    due: Instant
    readings: tuple[Reading, ...]


class Delivery(NamedTuple):
    """What arrives of a report, and when; `truth` tells the oracle what each reading should have been."""

    number: int  #: of the report among those of its device, from 0
    due: Instant  #: when it was measured
    told: Instant  #: what the clock of the device said then
    arrival: Instant
    readings: tuple[Reading, ...]
    truth: tuple[Reading, ...]  #: one for each of `readings`
    copy: bool = False  #: delivered before

    def true(self) -> Iterator[Reading]:
        """Yield the readings that no fault has changed."""
        return (told for told, truth in zip(self.readings, self.truth, strict=True) if told == truth)


def sound(number: int, report: Report) -> Delivery:
    """Return what arrives of a report when nothing is wrong."""
    return Delivery(number, report.due, report.due, report.due, report.readings, report.readings)
