"""Collects the observations and messages of the observation records that one transaction stores."""

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
"""Messages of one stored record were received within this time; find_message_batches relies on it."""

DatastreamIds: TypeAlias = NDArray[np.int32]
"""Ids of datastreams, little-endian on every machine."""


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
    """An observation whose key an earlier observation of the batch has."""

    observation: Observation
    feed_minute: int


@dataclass(slots=True)
class ObservationBuffer:
    """Observations in the order of the log, with the first of each key separate from its repeats.

    A key is datastream and phenomenon time. A statement may change a row only once, and most keys occur once.
    So the first ones are stored in bulk, and the repeats are compared singly.
    """

    firsts: list[Observation] = field(default_factory=list)
    first_feed_minutes: list[int] = field(default_factory=list)  #: of `firsts`, index into `feed_minutes`
    rows: list[ObservationRows] = field(default_factory=list)  #: together the rows of `firsts`, in order
    repeats: dict[tuple[int, Instant], list[RepeatedObservation]] = field(default_factory=dict)  #: by key
    feed_minutes: list[FeedMinute] = field(default_factory=list)
    messages: defaultdict[str, ReceivedMessages] = field(  #: by session
        default_factory=lambda: defaultdict(ReceivedMessages)
    )
    records: list[MessageRecord] = field(default_factory=list)
    count: int = 0  #: of all observations, with repeats
    _newest: dict[int, Instant] = field(default_factory=dict)  #: newest time in `firsts`, by datastream
    #: index in `firsts` of each key; filled only as far as it was needed
    _positions: dict[tuple[int, Instant], int] = field(default_factory=dict)
    _numbers: dict[tuple[str, Instant], int] = field(default_factory=dict)

    def add(self, batch: ObservationBatch, partition: int, offset: int) -> list[str]:
        """Add an observation record; return descriptions of what the columns cannot hold."""
        faults = []
        observations = batch.observations
        rows = pack_observations(observations)
        try:
            feed_minutes = self._add_messages(batch, rows, partition, offset)
        except MessageError as error:
            faults.append(str(error))
            feed_minutes = [self.feed_minute_number("", one[2]) for one in observations]
        if rows is None:
            fitting = [number for number, one in enumerate(observations) if fits_columns(one)]
            refused = len(observations) - len(fitting)
            faults.append(
                f"{refused} of {len(observations)} observations have values outside the column limits"
            )
            observations = tuple(observations[number] for number in fitting)
            feed_minutes = [feed_minutes[number] for number in fitting]
            rows = pack_observations(observations)
            assert rows is not None  # noqa: S101 - each of them fits
        self.count += len(observations)
        self._add_observations(observations, rows, feed_minutes)
        return faults

    def first_place(self, key: tuple[int, Instant]) -> int | None:
        """Return the index in `firsts` of the observation of a key, or None."""
        positions = self._positions
        for position in range(len(positions), len(self.firsts)):
            positions[self.firsts[position][:2]] = position
        return positions.get(key)

    def feed_minute_number(self, feed: str, received_time: Instant) -> int:
        """Return the index in `feed_minutes` of a feed and a minute of reception; add a new one."""
        feed_minute = feed, received_time - received_time % MINUTE
        number = self._numbers.get(feed_minute)
        if number is None:
            number = self._numbers[feed_minute] = len(self.feed_minutes)
            self.feed_minutes.append(FeedMinute(*feed_minute))
        return number

    def _add_observations(
        self, observations: Sequence[Observation], rows: ObservationRows, feed_minutes: list[int]
    ) -> None:
        newest, firsts, repeated = self._newest, self.firsts, []
        for number, observation in enumerate(observations):
            datastream, time = observation[0], observation[1]
            # An observation newer than all others of its datastream has a new key: no lookup is needed.
            if time > newest.get(datastream, INSTANT_MIN - 1):
                newest[datastream] = time
                firsts.append(observation)
            elif self.first_place((datastream, time)) is None:
                firsts.append(observation)
            else:
                self.repeats.setdefault((datastream, time), []).append(
                    RepeatedObservation(observation, feed_minutes[number])
                )
                repeated.append(number)
        if repeated:
            rows = np.delete(rows, repeated)
            feed_minutes = np.delete(np.array(feed_minutes), repeated).tolist()
        self.rows.append(rows)
        self.first_feed_minutes += feed_minutes

    def _add_messages(
        self, batch: ObservationBatch, rows: ObservationRows | None, partition: int, offset: int
    ) -> list[int]:
        """Add the messages and their record; return the index in `feed_minutes` of each observation."""
        if not batch.headers:
            return [self.feed_minute_number("", one[2]) for one in batch.observations]
        decoded = decode_headers(batch.headers)
        columns = [(one.sequence, one.received_time, one.feed, one.observations) for one in decoded.messages]
        claimed = sum(one[3] for one in columns)
        if claimed != len(batch.observations):
            raise MessageError(
                f"message headers count {claimed} observations, the record has {len(batch.observations)}"
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
            raise MessageError("message headers have values outside the column limits")
        first, last = min(received), max(received)
        if first // MINUTE == last // MINUTE:
            by_feed = {one: self.feed_minute_number(one, first) for one in set(feeds)}
            feed_minutes = [by_feed[one] for one in feeds]
        else:
            feed_minutes = list(map(self.feed_minute_number, feeds, received))
        self._count(decoded.session, sequences, feed_minutes)
        datastreams = _datastreams(batch.observations, rows)
        self.records += _records(batch, decoded, (first, last), datastreams, (partition, offset))
        if claimed == len(feed_minutes):
            return feed_minutes
        repeated: list[int] = np.repeat(feed_minutes, counts).tolist()
        return repeated

    def _count(self, session: str, sequences: Sequence[int], feed_minutes: Sequence[int]) -> None:
        """Count messages as received, except replays of quarantined ones, which were counted before."""
        if min(sequences) < 0:
            both = [one for one in zip(sequences, feed_minutes, strict=True) if one[0] >= 0]
            sequences, feed_minutes = [one for one, _ in both], [one for _, one in both]
        if sequences:
            self.messages[session].add(sequences, feed_minutes, accepted=True)


def _datastreams(observations: Sequence[Observation], rows: ObservationRows | None) -> DatastreamIds:
    if rows is not None:
        return rows["datastream"].astype("<i4")
    return np.array([one[0] if fits_columns(one) else -1 for one in observations], "<i4")


def _records(
    batch: ObservationBatch,
    decoded: MessageHeaders,
    received: tuple[Instant, Instant],
    datastreams: DatastreamIds,
    position: tuple[int, int],
) -> list[MessageRecord]:
    first, last = received
    if last - first < RECEIVED_SPAN_MAX:
        whole = MessageRecord(*position, first, last, batch.headers, datastreams.tobytes(), batch.payloads)
        return [whole]
    return _split_by_hour(batch, decoded, datastreams, position)


def _split_by_hour(
    batch: ObservationBatch, decoded: MessageHeaders, datastreams: DatastreamIds, position: tuple[int, int]
) -> list[MessageRecord]:
    """Return a record for each hour of reception: a batch of replays holds messages received over days."""
    payloads = decode_payloads(batch.payloads) if batch.payloads else ()
    hours: defaultdict[Instant, tuple[list[MessageHeader], list[bytes], list[bytes]]] = defaultdict(
        lambda: ([], [], [])
    )
    begin = 0
    for number, header in enumerate(decoded.messages):
        headers, ids, kept_payloads = hours[header.received_time // RECEIVED_SPAN_MAX]
        headers.append(header)
        ids.append(datastreams[begin : begin + header.observations].tobytes())
        kept_payloads.append(payloads[number] if number < len(payloads) else b"")
        begin += header.observations
    return [
        MessageRecord(
            *position,
            min(one.received_time for one in headers),
            max(one.received_time for one in headers),
            encode_headers(MessageHeaders(decoded.session, tuple(headers))),
            b"".join(ids),
            encode_payloads(kept_payloads) if any(kept_payloads) else b"",
        )
        for headers, ids, kept_payloads in hours.values()
    ]


class DistinctMessages(NamedTuple):
    """Distinct messages of a session, ascending by sequence number, as columns."""

    sequences: NDArray[np.int64]
    feed_minutes: NDArray[np.int64]  #: index into `ObservationBuffer.feed_minutes`
    accepted: NDArray[np.bool_]  #: whether the message had usable observations


@dataclass(slots=True)
class ReceivedMessages:
    """Messages of an ingest session in log order, as columns; of equal numbers the first counts."""

    _sequences: array[int] = field(default_factory=lambda: array("q"))
    _feed_minutes: array[int] = field(default_factory=lambda: array("q"))
    _accepted: bytearray = field(default_factory=bytearray)

    def __len__(self) -> int:
        """Return the number of added messages, with repeats."""
        return len(self._sequences)

    def add(self, sequences: Sequence[int], feed_minutes: Sequence[int], *, accepted: bool) -> None:
        """Add messages by sequence number and index into `feed_minutes`."""
        self._sequences.extend(sequences)
        self._feed_minutes.extend(feed_minutes)
        self._accepted.extend((b"\1" if accepted else b"\0") * len(sequences))

    def distinct(self) -> DistinctMessages:
        """Return each message once."""
        sequences, first = np.unique(np.array(self._sequences, np.int64), return_index=True)
        return DistinctMessages(
            sequences,
            np.array(self._feed_minutes, np.int64)[first],
            np.frombuffer(bytes(self._accepted), np.bool_)[first],
        )
