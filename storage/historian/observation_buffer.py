"""What the observation records of one transaction hold: observations, messages, and where each came from."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from storage.column_limits import COUNT_MAX
from storage.historian.observation_rows import ObservationRows, fits_columns, pack_observations
from storage.stores.ledger_counts import FeedMinute
from twin.errors import MessageError
from twin.instant import HOUR, INSTANT_MAX, INSTANT_MIN, MINUTE, Instant
from twin.model.observation import Observation
from twin.wire.messages import (
    MessageHeader,
    MessageHeaders,
    ObservationBatch,
    decode_headers,
    decode_payloads,
    encode_headers,
    encode_payloads,
)

RECEIVED_SPAN_MAX = HOUR
"""The messages of one stored record were received within so long; the query that finds one relies on it."""


DatastreamIds: TypeAlias = NDArray[np.int32]
"""Ids of datastreams, little-endian whatever the machine is."""


class MessageRecord(NamedTuple):
    """The messages of one observation record, as they are stored."""

    partition: int
    log_offset: int
    first_received: Instant
    last_received: Instant
    headers: bytes  #: `twin.wire.messages.MessageHeaders`, encoded
    datastreams: bytes  #: of the observations in order, as little-endian 32-bit integers
    payloads: bytes  #: encoded; empty when they are not kept


class RepeatedObservation(NamedTuple):
    """An observation whose key was in the batch before."""

    observation: Observation
    feed_minute: int


@dataclass(slots=True)
class ObservationBuffer:
    """Observations in the order of the log, the first of each key apart from those that follow it.

    One statement may touch a row only once, and most keys come once: the first ones go to the database in
    bulk, the others are compared one by one.
    """

    firsts: list[Observation] = field(default_factory=list)
    first_feed_minutes: list[int] = field(default_factory=list)  #: of each of `firsts`
    rows: list[ObservationRows] = field(default_factory=list)  #: put together, those of `firsts`, in order
    repeats: dict[tuple[int, Instant], list[RepeatedObservation]] = field(default_factory=dict)  #: by key
    feed_minutes: list[FeedMinute] = field(default_factory=list)
    messages: defaultdict[str, ReceivedMessages] = field(  #: by session
        default_factory=lambda: defaultdict(ReceivedMessages)
    )
    records: list[MessageRecord] = field(default_factory=list)
    count: int = 0  #: of all observations
    _newest: dict[int, Instant] = field(default_factory=dict)  #: by datastream, in `firsts`
    _places: dict[tuple[int, Instant], int] = field(default_factory=dict)  #: of the first so many of `firsts`
    _numbers: dict[tuple[str, Instant], int] = field(default_factory=dict)

    def add(self, batch: ObservationBatch, partition: int, offset: int) -> list[str]:
        """Take in an observation record; return what in it could not be taken in, in words."""
        faults = []
        observations = batch.observations
        rows = pack_observations(observations)
        try:
            sources = self._add_messages(batch, rows, partition, offset)
        except MessageError as error:
            faults.append(str(error))
            sources = [self.feed_minute_number("", one[2]) for one in observations]
        if rows is None:
            fitting = [number for number, one in enumerate(observations) if fits_columns(one)]
            refused = len(observations) - len(fitting)
            faults.append(f"{refused} of {len(observations)} observations have numbers beyond all bounds")
            observations = tuple(observations[number] for number in fitting)
            sources = [sources[number] for number in fitting]
            rows = pack_observations(observations)
            assert rows is not None  # noqa: S101 - each of them fits
        self.count += len(observations)
        self._add_observations(observations, rows, sources)
        return faults

    def first_place(self, key: tuple[int, Instant]) -> int | None:
        """Return the place in `firsts` of the observation of a key; None when there is none."""
        places = self._places
        for place in range(len(places), len(self.firsts)):
            places[self.firsts[place][:2]] = place
        return places.get(key)

    def feed_minute_number(self, feed: str, received_time: Instant) -> int:
        """Return the number of a source."""
        source = feed, received_time - received_time % MINUTE
        number = self._numbers.get(source)
        if number is None:
            number = self._numbers[source] = len(self.feed_minutes)
            self.feed_minutes.append(FeedMinute(*source))
        return number

    def _add_observations(
        self, observations: Sequence[Observation], rows: ObservationRows, sources: list[int]
    ) -> None:
        newest, firsts, repeated = self._newest, self.firsts, []
        for number, one in enumerate(observations):
            datastream, time = one[0], one[1]
            # What is newer than all of its datastream has a key of its own; nothing else need be looked at.
            if time > newest.get(datastream, INSTANT_MIN - 1):
                newest[datastream] = time
                firsts.append(one)
            elif self.first_place((datastream, time)) is None:
                firsts.append(one)
            else:
                self.repeats.setdefault((datastream, time), []).append(
                    RepeatedObservation(one, sources[number])
                )
                repeated.append(number)
        if repeated:
            rows = np.delete(rows, repeated)
            sources = np.delete(np.array(sources), repeated).tolist()
        self.rows.append(rows)
        self.first_feed_minutes += sources

    def _add_messages(
        self, batch: ObservationBatch, rows: ObservationRows | None, partition: int, offset: int
    ) -> list[int]:
        """Return the source of each observation; keep the messages and their record."""
        if not batch.headers:
            return [self.feed_minute_number("", one[2]) for one in batch.observations]
        told = decode_headers(batch.headers)
        columns = [(one.sequence, one.received_time, one.feed, one.observations) for one in told.messages]
        claimed = sum(one[3] for one in columns)
        if claimed != len(batch.observations):
            raise MessageError(
                f"message headers tell of {claimed} observations, the record has {len(batch.observations)}"
            )
        if not columns:
            return []
        sequences, received, feeds, counts = zip(*columns, strict=True)
        if (
            min(counts) <= 0
            or max(sequences) > COUNT_MAX
            or min(received) < INSTANT_MIN
            or max(received) > INSTANT_MAX
        ):
            raise MessageError("message headers have numbers beyond all bounds")
        first, last = min(received), max(received)
        if first // MINUTE == last // MINUTE:
            by_feed = {one: self.feed_minute_number(one, first) for one in set(feeds)}
            sources = [by_feed[one] for one in feeds]
        else:
            sources = list(map(self.feed_minute_number, feeds, received))
        self._count(told.session, sequences, sources)
        datastreams = _datastreams(batch.observations, rows)
        self.records += _records(batch, told, (first, last), datastreams, (partition, offset))
        if claimed == len(sources):
            return sources
        repeated: list[int] = np.repeat(sources, counts).tolist()
        return repeated

    def _count(self, session: str, sequences: Sequence[int], sources: Sequence[int]) -> None:
        """Count messages as received, but not the replays of quarantined ones: they were counted before."""
        if min(sequences) < 0:
            both = [one for one in zip(sequences, sources, strict=True) if one[0] >= 0]
            sequences, sources = [one for one, _ in both], [one for _, one in both]
        if sequences:
            self.messages[session].add(sequences, sources, accepted=True)


def _datastreams(observations: Sequence[Observation], rows: ObservationRows | None) -> DatastreamIds:
    if rows is not None:
        return rows["datastream"].astype("<i4")
    return np.array([one[0] if fits_columns(one) else -1 for one in observations], "<i4")


def _records(
    batch: ObservationBatch,
    told: MessageHeaders,
    received: tuple[Instant, Instant],
    datastreams: DatastreamIds,
    place: tuple[int, int],
) -> list[MessageRecord]:
    first, last = received
    if last - first < RECEIVED_SPAN_MAX:
        whole = MessageRecord(*place, first, last, batch.headers, datastreams.tobytes(), batch.payloads)
        return [whole]
    return _split_by_hour(batch, told, datastreams, place)


def _split_by_hour(
    batch: ObservationBatch, told: MessageHeaders, datastreams: DatastreamIds, place: tuple[int, int]
) -> list[MessageRecord]:
    """Return a record for each hour of reception: replays bring together what came in over days."""
    payloads = decode_payloads(batch.payloads) if batch.payloads else ()
    hours: defaultdict[Instant, tuple[list[MessageHeader], list[bytes], list[bytes]]] = defaultdict(
        lambda: ([], [], [])
    )
    begin = 0
    for number, header in enumerate(told.messages):
        headers, ids, kept = hours[header.received_time // RECEIVED_SPAN_MAX]
        headers.append(header)
        ids.append(datastreams[begin : begin + header.observations].tobytes())
        kept.append(payloads[number] if number < len(payloads) else b"")
        begin += header.observations
    return [
        MessageRecord(
            *place,
            min(one.received_time for one in headers),
            max(one.received_time for one in headers),
            encode_headers(MessageHeaders(told.session, tuple(headers))),
            b"".join(ids),
            encode_payloads(kept) if any(kept) else b"",
        )
        for headers, ids, kept in hours.values()
    ]


# The messages that were received in one session of ingest: their numbers, as columns.


class DistinctMessages(NamedTuple):
    """Messages, each once, by number."""

    sequences: NDArray[np.int64]
    sources: NDArray[np.int64]  #: in `Reception.sources`
    accepted: NDArray[np.bool_]  #: whether it had usable observations


@dataclass(slots=True)
class ReceivedMessages:
    """Messages in the order of the log; a number that comes twice is one message, as it came first."""

    _sequences: array[int] = field(default_factory=lambda: array("q"))
    _sources: array[int] = field(default_factory=lambda: array("q"))
    _accepted: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        """Return how many were added."""
        return len(self._sequences)

    def add(self, sequences: Sequence[int], sources: Sequence[int], *, accepted: bool) -> None:
        """Add messages."""
        self._sequences.extend(sequences)
        self._sources.extend(sources)
        self._accepted.extend((b"\1" if accepted else b"\0") * len(sequences))

    def distinct(self) -> DistinctMessages:
        """Return each message once."""
        sequences, first = np.unique(np.array(self._sequences, np.int64), return_index=True)
        return DistinctMessages(
            sequences,
            np.array(self._sources, np.int64)[first],
            np.frombuffer(bytes(self._accepted), np.bool_)[first],
        )
