"""The cursor of a download: what it is of, as known when, and the row after which it goes on.

A download that goes on has exactly the rows that were missing: the same query over the same datastreams for
the same rights, of the same time, as known at the same instant. Where one of these has changed, the cursor is
refused: two parts of different answers would be no answer.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import NamedTuple

import msgspec

from api.bulk.schemas import DownloadParameters
from api.http.parameters import parse_time
from api.http.problems import RequestFault, bad_request
from storage.stores.log_positions import SETTLED_AFTER
from twin.instant import DAY, SECOND, Instant, format_instant

_DIGEST_BYTES = 9


class Period(NamedTuple):
    """The time of a download, and when its rows were known."""

    start: Instant
    end: Instant  #: exclusive
    known_at: Instant


class ObservationPlace(NamedTuple):
    """A cursor of observations."""

    query: bytes
    start: Instant
    end: Instant
    known_at: Instant
    last_datastream: int  #: greatest id when the download began: later datastreams are not part of it
    phenomenon_time: Instant
    datastream: int


class AlarmEventPlace(NamedTuple):
    """A cursor of events of alarms."""

    query: bytes
    start: Instant
    end: Instant
    known_at: Instant
    told_time: Instant
    alarm: str
    revision: int
    amendment: int


def query_digest(*parts: object) -> bytes:
    """Return a digest of all that decides which rows a download has, beside its period."""
    return blake2b(msgspec.msgpack.encode(parts), digest_size=_DIGEST_BYTES).digest()


def requested_period(parameters: DownloadParameters, now: Instant, cursor: Period | None) -> Period:
    """Return the period of a download: that of its cursor, or the requested one.

    Raises a problem with every fault: an empty period, knowledge that is not settled yet, or times other than
    those of the cursor.
    """
    latest = now - SETTLED_AFTER
    if cursor is not None:
        faults = [
            _other_than_cursor(name, text)
            for name, text, found in (
                ("start", parameters.start, cursor.start),
                ("end", parameters.end, cursor.end),
                ("knownAt", parameters.known_at, cursor.known_at),
            )
            if text is not None and parse_time(text) != found
        ]
        if cursor.known_at > latest:
            faults.append(_unsettled("cursor", cursor.known_at, latest))
        if faults:
            raise bad_request(*faults)
        return cursor
    known_at = latest if parameters.known_at is None else parse_time(parameters.known_at)
    end = known_at if parameters.end is None else parse_time(parameters.end)
    start = end - DAY if parameters.start is None else parse_time(parameters.start)
    faults = []
    if known_at > latest:
        faults.append(_unsettled("knownAt", known_at, latest))
    if start >= end:
        detail = f"`start` {format_instant(start)} is not before `end` {format_instant(end)}"
        faults.append(RequestFault("query", "start", "empty", detail))
    if faults:
        raise bad_request(*faults)
    return Period(start, end, known_at)


def check_query(place: bytes | None, query: bytes) -> None:
    """Raise a problem for a cursor of another query."""
    if place is not None and place != query:
        raise bad_request(
            RequestFault(
                "query",
                "cursor",
                "cursor",
                "it is of a download with other filters or of a role with other rights, or the model of the "
                "city has changed since, and the filters select other datastreams: start again without it",
            )
        )


def _other_than_cursor(name: str, text: str) -> RequestFault:
    return RequestFault(
        "query", name, "cursor", f"found {text!r}, and the cursor has another one; repeat it or omit it"
    )


def _unsettled(name: str, known_at: Instant, latest: Instant) -> RequestFault:
    return RequestFault(
        "query",
        name,
        "range",
        f"found {format_instant(known_at)}, expected {format_instant(latest)} or earlier: what arrived in "
        f"the last {SETTLED_AFTER // SECOND} s may not be stored yet",
    )
