"""The events of the live stream, read after the run."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.load.bench_city import BenchCity
from benchmarks.load.traffic import Numbers
from twin.instant import Instant, parse_instant

UNKNOWN_DATASTREAM = -1

_EVENT_END = b"\n\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEvents:
    """The state events of datastreams, in order; element n of each array belongs to event n."""

    arrived: Numbers  #: instants
    phenomenon: Numbers  #: instants
    datastreams: Numbers  #: index in the city, or UNKNOWN
    values: NDArray[np.float64]
    gaps: list[str] = field(default_factory=list)  #: the data of each gap event
    bytes: int = 0


class _State(msgspec.Struct, rename="camel"):
    entity_id: str
    property: str
    value: float
    phenomenon_time: str


def read_events(pieces: Iterable[tuple[Instant, bytes]], city: BenchCity) -> LiveEvents:
    """Return the events of the stream; each piece has whole events, and the instant of their arrival."""
    decode = msgspec.json.Decoder(_State).decode
    indexes = {
        (city.entity_name(index), city.property_name(index)): index for index in range(city.datastreams)
    }
    observed = {property for _, property in indexes}
    arrived, phenomenon, datastreams, values = array("q"), array("q"), array("q"), array("d")
    gaps: list[str] = []
    size = 0
    for instant, piece in pieces:
        size += len(piece)
        for kind, data in _events(piece):
            if kind == b"state":
                state = decode(data)
                if state.property not in observed:
                    continue  # a roll-up or an indicator
                arrived.append(instant)
                phenomenon.append(parse_instant(state.phenomenon_time))
                datastreams.append(indexes.get((state.entity_id, state.property), UNKNOWN_DATASTREAM))
                values.append(state.value)
            elif kind == b"gap":
                gaps.append(data.decode())
    return LiveEvents(
        arrived=np.array(arrived, np.int64),
        phenomenon=np.array(phenomenon, np.int64),
        datastreams=np.array(datastreams, np.int64),
        values=np.array(values, np.float64),
        gaps=gaps,
        bytes=size,
    )


def _events(piece: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield kind and data of each event in a piece; comments have none."""
    for event in piece.split(_EVENT_END):
        kind = data = b""
        for line in event.split(b"\n"):
            name, _, value = line.partition(b": ")
            if name == b"event":
                kind = value
            elif name == b"data":
                data = value
        if kind:
            yield kind, data
