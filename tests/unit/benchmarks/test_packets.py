"""Decoders read the packets of the load generator as the traffic describes them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from benchmarks.load.bench_city import BenchCity
from benchmarks.load.mqtt_wire import PacketReader
from benchmarks.load.packets import Packets
from ingest.decoders import native
from ingest.decoding import DecodingContext
from twin.instant import SECOND

START = 1_764_547_200 * SECOND  # 2025-12-01T00:00:00Z


@pytest.mark.parametrize(
    "city",
    [
        BenchCity(datastreams=400),
        BenchCity(datastreams=40, each=1),
        BenchCity(datastreams=400, each=10, packs=True),
        BenchCity(datastreams=100, each=10),
    ],
    ids=["four properties", "one property", "packs", "ten properties"],
)
def test_a_message_has_topic_packet_id_instant_and_values(city: BenchCity) -> None:
    traffic = city.traffic
    numbers = np.array([0, 1, 5, traffic.sensors + 1, 7 * traffic.sensors + 3])
    ids = np.array([1, 255, 256, 65_535, 300])
    instants = np.array([START, START, START + 1, START + 999_999, START + SECOND])
    rows = Packets(traffic).make(numbers, ids, instants)
    packets = list(PacketReader().feed(rows.tobytes()))
    assert [kind for kind, _ in packets] == [0x30] * len(numbers)
    for (_, content), number, id, instant in zip(packets, numbers, ids, instants, strict=True):
        length = int.from_bytes(content[:2], "big")
        topic, rest = content[2 : 2 + length].decode(), content[2 + length :]
        assert topic == f"livetwin/bench/{traffic.sensor_name(traffic.sensor_of(int(number)))}/observations"
        assert int.from_bytes(rest[:2], "big") == id
        assert rest[2] == 0  # no properties
        decoded = native.decode(topic, rest[3:], DecodingContext(int(instant), "Europe/Amsterdam"))
        readings = {one.field: one for one in decoded.readings}
        for index in range(traffic.pack):
            reading = int(number) * traffic.pack + index
            found = readings[traffic.property_name(reading % traffic.datastreams)]
            assert found.time == instant
            assert found.value == traffic.value_of(reading)


def test_a_datastreams_next_reading_has_another_value() -> None:
    traffic = BenchCity(datastreams=400).traffic
    values = [traffic.value_of(7 + cycle * traffic.datastreams) for cycle in range(500)]
    assert all(earlier != later for earlier, later in pairwise(values))
