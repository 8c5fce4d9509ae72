"""What the broker says to a device that only publishes: acknowledgements, read many at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from benchmarks.load.mqtt_wire import PUBACK, PacketReader
from benchmarks.load.traffic import Numbers

_SUCCESS = 0
_REASON_AT = 4  #: absent when it is a success


class PubackBatch(NamedTuple):
    """What some bytes from the broker said."""

    packet_ids: Numbers
    without_subscriber: int  #: of these, those whose message no subscriber got, or that the broker refused
    rest: bytes  #: the beginning of a packet whose end has not come yet


def parse_pubacks(data: bytes) -> PubackBatch:
    """Return the acknowledgements in what came from the broker.

    Raises ConnectionError when something else is between them.
    """
    if len(data) < 2:
        return PubackBatch(np.empty(0, np.int64), 0, data)
    # As a rule all are alike; then they are the rows of a table.
    width = data[1] + 2
    count = len(data) // width
    table = np.frombuffer(data, np.uint8, count * width).reshape(count, width)
    rest = data[count * width :]
    are_alike = (table[:, :2] == table[:1, :2]).all() and data.startswith(rest[:2])
    if data[0] == PUBACK and width >= _REASON_AT and are_alike:
        packet_ids = table[:, 2].astype(np.int64) << 8 | table[:, 3]
        unheard = int(np.count_nonzero(table[:, _REASON_AT])) if width > _REASON_AT else 0
        return PubackBatch(packet_ids, unheard, rest)
    return _one_by_one(data)


def _one_by_one(data: bytes) -> PubackBatch:
    reader = PacketReader()
    packet_ids, unheard = [], 0
    for kind, content in reader.feed(data):
        if kind != PUBACK:
            raise ConnectionError(f"the MQTT broker sent a packet 0x{kind:02x} where PUBACK was expected")
        packet_ids.append(int.from_bytes(content[:2], "big"))
        unheard += len(content) > 2 and content[2] != _SUCCESS
    return PubackBatch(np.array(packet_ids, np.int64), unheard, reader.rest)
