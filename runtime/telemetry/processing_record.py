"""A record of the Logboek Dataverwerkingen, which `runtime.telemetry.processing_spans` sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from twin.instant import Instant


class ProcessingRecord(NamedTuple):
    """A processing of personal data: the reading of some data subjects' data by one request."""

    name: str  #: of the operation
    time: Instant
    trace_id: int
    span_id: int
    parent_span_id: int | None  #: of the calling application
    subjects: Sequence[str]  #: pseudonyms of the data subjects
