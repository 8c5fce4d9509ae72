"""What the observation records of one transaction hold: observations, messages, and where each came from."""

from __future__ import annotations

import sys
from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from storage.ledger_counts import Source
from twin.errors import MessageError
from twin.instant import HOUR, INSTANT_MAX, INSTANT_MIN, MINUTE, Instant
from twin.messages import (
    MessageHeader,
    MessageHeaders,
    ObservationBatch,
    decode_headers,
    decode_payloads,
    encode_headers,
    encode_payloads,
)
from twin.observation import Observation

# What the columns can hold: integer, smallint, bigint.
DATASTREAM_MAX = 2**31 - 1
FLAGS_MAX = 2**15 - 1
COUNT_MAX = 2**63 - 2  # a range ends behind its last number

RECEIVED_SPAN_MAX = HOUR
"""The messages of one stored record were received within so long; the query that finds one relies on it."""


class ReceivedMessage(NamedTuple):
    """A message that counts as received."""

    source: int  #: in `Reception.sources`
    accepted: bool  #: whether it had usable observations


class MessageRecord(NamedTuple):
    """The messages of one observation record, as they are stored."""

    partition: int
    log_offset: int
    first_received: Instant
    last_received: Instant
    headers: bytes  #: `twin.messages.MessageHeaders`, encoded
    datastreams: bytes  #: of the observations in order, as little-endian 32-bit integers
    payloads: bytes  #: encoded; empty when they are not kept


class Arrival(NamedTuple):
    """An observation whose key was in the batch before."""

    observation: Observation
    source: int


@dataclass(slots=True)
class Reception:
    """Observations in the order of the log, the first of each key apart from those that follow it.

    One statement may touch a row only once, and most keys come once: the first ones go to the database in
    bulk, the others are compared one by one.
    """

    firsts: list[Observation] = field(default_factory=list)
    first_sources: list[int] = field(default_factory=list)  #: of each of `firsts`
    repeats: dict[tuple[int, Instant], list[Arrival]] = field(default_factory=dict)  #: by key
    sources: list[Source] = field(default_factory=list)
    #: session → number → message; a number that comes twice is one message
    messages: defaultdict[str, dict[int, ReceivedMessage]] = field(default_factory=lambda: defaultdict(dict))
    records: list[MessageRecord] = field(default_factory=list)
    count: int = 0  #: of all observations
    _places: dict[tuple[int, Instant], int] = field(default_factory=dict)
    _numbers: dict[Source, int] = field(default_factory=dict)

    def add(self, batch: ObservationBatch, partition: int, offset: int) -> list[str]:
        """Take in an observation record; return what in it could not be taken in, in words."""
        faults = []
        try:
            sources = self._sources(batch, partition, offset)
        except MessageError as error:
            faults.append(str(error))
            sources = [self.source("", one[2]) for one in batch.observations]
        refused = self._take(batch.observations, sources)
        self.count += len(batch.observations) - refused
        if refused:
            faults.append(
                f"{refused} of {len(batch.observations)} observations have numbers beyond all bounds"
            )
        return faults

    def place(self, key: tuple[int, Instant]) -> int:
        """Return the place in `firsts` of the observation of a key."""
        return self._places[key]

    def source(self, feed: str, received_time: Instant) -> int:
        """Return the number of a source."""
        source = Source(feed, received_time - received_time % MINUTE)
        number = self._numbers.get(source)
        if number is None:
            number = self._numbers[source] = len(self.sources)
            self.sources.append(source)
        return number

    def _take(self, observations: Sequence[Observation], sources: Sequence[int]) -> int:
        places, firsts, first_sources = self._places, self.firsts, self.first_sources
        refused = 0
        for one, source in zip(observations, sources, strict=True):
            if not fits(one):
                refused += 1
                continue
            key = one[:2]
            if key in places:
                self.repeats.setdefault(key, []).append(Arrival(one, source))
            else:
                places[key] = len(firsts)
                firsts.append(one)
                first_sources.append(source)
        return refused

    def _sources(self, batch: ObservationBatch, partition: int, offset: int) -> list[int]:
        """Return the source of each observation; keep the messages and their record."""
        if not batch.headers:
            return [self.source("", one[2]) for one in batch.observations]
        told = decode_headers(batch.headers)
        _check(told, len(batch.observations))
        sources: list[int] = []
        messages = self.messages[told.session]
        for header in told.messages:
            number = self.source(header.feed, header.received_time)
            sources.extend([number] * header.observations)
            # A replay of a quarantined message has no number: it was counted when it was received.
            if header.sequence >= 0:
                messages.setdefault(header.sequence, ReceivedMessage(number, True))
        self.records += _records(batch, told, partition, offset)
        return sources


def fits(one: Observation) -> bool:
    """Return whether the columns can hold an observation."""
    return (
        0 <= one[0] <= DATASTREAM_MAX
        and INSTANT_MIN <= one[1] <= INSTANT_MAX
        and INSTANT_MIN <= one[2] <= INSTANT_MAX
        and 0 <= one[4] <= FLAGS_MAX
    )


def _check(told: MessageHeaders, observations: int) -> None:
    claimed = 0
    for one in told.messages:
        if (
            one.observations <= 0
            or one.sequence > COUNT_MAX
            or not INSTANT_MIN <= one.received_time <= INSTANT_MAX
        ):
            raise MessageError("message headers have numbers beyond all bounds")
        claimed += one.observations
    if claimed != observations:
        raise MessageError(f"message headers tell of {claimed} observations, the record has {observations}")


def _records(
    batch: ObservationBatch, told: MessageHeaders, partition: int, offset: int
) -> list[MessageRecord]:
    if not told.messages:
        return []
    received = [one.received_time for one in told.messages]
    first, last = min(received), max(received)
    datastreams = array("i", [one[0] if fits(one) else -1 for one in batch.observations])
    if last - first < RECEIVED_SPAN_MAX:
        whole = MessageRecord(
            partition, offset, first, last, batch.headers, _little_endian(datastreams), batch.payloads
        )
        return [whole]
    return _divided(batch, told, partition, offset, datastreams)


def _divided(
    batch: ObservationBatch, told: MessageHeaders, partition: int, offset: int, datastreams: array[int]
) -> list[MessageRecord]:
    """Return a record for each hour of reception: replays bring together what came in over days."""
    payloads = decode_payloads(batch.payloads) if batch.payloads else ()
    hours: defaultdict[Instant, tuple[list[MessageHeader], array[int], list[bytes]]] = defaultdict(
        lambda: ([], array("i"), [])
    )
    begin = 0
    for place, header in enumerate(told.messages):
        headers, ids, kept = hours[header.received_time // RECEIVED_SPAN_MAX]
        headers.append(header)
        ids.extend(datastreams[begin : begin + header.observations])
        kept.append(payloads[place] if place < len(payloads) else b"")
        begin += header.observations
    return [
        MessageRecord(
            partition,
            offset,
            min(one.received_time for one in headers),
            max(one.received_time for one in headers),
            encode_headers(MessageHeaders(told.session, tuple(headers))),
            _little_endian(ids),
            encode_payloads(kept) if any(kept) else b"",
        )
        for headers, ids, kept in hours.values()
    ]


def _little_endian(ids: array[int]) -> bytes:
    if sys.byteorder == "big":
        ids.byteswap()
    return ids.tobytes()
