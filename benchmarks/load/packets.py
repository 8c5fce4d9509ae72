"""The PUBLISH packets of a load, as rows of bytes of equal length.

A row is made once for each sensor. Before sending, packet id, time and values are written into the rows of a
tick in one step. So a message costs the generator one or two microseconds; formatting it in Python would cost
ten. Parts of different length (the name of a property, a value) are padded with white space, as JSON allows.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from benchmarks.load.mqtt_wire import publish_packet, topic_field
from benchmarks.load.traffic import LoadTraffic, Numbers
from twin.instant import SECOND, Instant, format_instant

Rows = NDArray[np.uint8]

# Placeholders for numbers; no text of a message contains them.
_TIME, _VALUE = "\x01", "\x02"
_VALUE_WIDTH = 5
_PACKET_ID = 0x0303
_ID_AND_PROPERTIES_BYTES = 3

_TENTHS = 10_000


class Packets:
    """Makes the packets of messages, for one tick at a time."""

    def __init__(self, traffic: LoadTraffic) -> None:
        self._traffic = traffic
        self._time_width = len(_time_text(0, traffic.pack))
        name_width = max(len(traffic.property_name(index)) for index in range(traffic.datastreams))
        templates = [
            _template(traffic, sensor, self._time_width, name_width) for sensor in range(traffic.sensors)
        ]
        self.packet_bytes = len(templates[0])
        self._rows: Rows = np.frombuffer(b"".join(templates), np.uint8).reshape(-1, self.packet_bytes).copy()
        first = templates[0]
        self._id_at = first.index(_PACKET_ID.to_bytes(2, "big"))
        self.payload_bytes = self.packet_bytes - self._id_at - _ID_AND_PROPERTIES_BYTES
        self._time_at = first.index(_TIME.encode(), self._id_at)
        self._values_at = [
            at
            for at in range(self._id_at, len(first))
            if first[at] == ord(_VALUE) and first[at - 1] != ord(_VALUE)
        ]
        texts = b"".join(b"%*.1f" % (_VALUE_WIDTH, tenths / 10) for tenths in range(_TENTHS))
        self._value_texts: Rows = np.frombuffer(texts, np.uint8).reshape(_TENTHS, _VALUE_WIDTH)

    def make(self, numbers: Numbers, packet_ids: Numbers, instants: Numbers) -> Rows:
        """Return a row for each message; instants ascend, and few of them differ."""
        rows = self._rows[numbers % self._traffic.sensors]
        rows[:, self._id_at] = packet_ids >> 8
        rows[:, self._id_at + 1] = packet_ids & 0xFF
        self._write_times(rows, instants)
        pack = self._traffic.pack
        for index, at in enumerate(self._values_at):
            tenths = self._traffic.tenths_of(numbers * pack + index)
            rows[:, at : at + _VALUE_WIDTH] = self._value_texts[tenths]
        return rows

    def _write_times(self, rows: Rows, instants: Numbers) -> None:
        at = self._time_at
        begins = [0, *(np.flatnonzero(np.diff(instants)) + 1).tolist(), len(instants)]
        for begin, end in pairwise(begins):
            text = _time_text(int(instants[begin]), self._traffic.pack)
            rows[begin:end, at : at + self._time_width] = np.frombuffer(text, np.uint8)


def _time_text(instant: Instant, pack: int) -> bytes:
    """Return an instant with six decimals: as RFC 3339, or in a pack as seconds since 1970."""
    if pack > 1:
        return b"%010d.%06d" % divmod(instant, SECOND)
    text = format_instant(instant // SECOND * SECOND)
    return f"{text[:-1]}.{instant % SECOND:06d}Z".encode()


def _template(traffic: LoadTraffic, sensor: int, time_width: int, name_width: int) -> bytes:
    topic = topic_field(f"livetwin/{traffic.city}/{traffic.sensor_name(sensor)}/observations")
    names = [traffic.property_name(sensor * traffic.pack + index) for index in range(traffic.pack)]
    padded = [f'{"":{name_width - len(name)}}"{name}"' for name in names]
    time, value = _TIME * time_width, _VALUE * _VALUE_WIDTH
    if traffic.pack == 1:
        payload = f'{{"time":"{time}","values":{{{padded[0]}:{value}}}}}'
    else:
        base = f'"bn":"{traffic.sensor_name(sensor)}:","bt":{time},"n":'
        records = [base + f'{padded[0]},"v":{value}', *(f'"n":{name},"v":{value}' for name in padded[1:])]
        payload = f"[{','.join(f'{{{one}}}' for one in records)}]"
    return publish_packet(topic, _PACKET_ID, payload.encode())
