"""Truth → wire → decoder → mapping: ingest decodes the values that the device expects in the twin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import pytest

from cities.folder_reader import read_city
from ingest.decoders import registry
from ingest.decoding import DecodingContext
from ingest.pipeline.mapping import DeviceMap
from simulators.devices import VirtualDevice, devices_of
from simulators.devices.device import SimulatedMessage
from simulators.truth.city_truth import CityTruth
from tests.support.cities.fleet import FEEDS, fleet
from tests.support.repository import ROOT
from twin.instant import HOUR, MINUTE, SECOND, Instant, parse_instant
from twin.model.city_model import CityPlan
from twin.quality.plausibility import PlausibilityBounds, check_plausibility

ALKMAAR = ROOT / "cities" / "alkmaar"
TUESDAY = parse_instant("2026-11-24T17:20:03.123+01:00")
# The hour that the October night has twice: first in summer time, then in winter time.
TWICE = (parse_instant("2026-10-25T00:31:07Z"), parse_instant("2026-10-25T01:31:07Z"))


@cache
def alkmaar() -> CityPlan:
    return read_city(ALKMAAR)


def decoder_of(feed: str) -> str:
    """Return the decoder of a feed; native and SenML share a topic, and so a decoder."""
    return next(one.name for one in registry().values() if feed in one.feeds)


def held(
    devices: DeviceMap, feed: str, message: SimulatedMessage, received: Instant, timezone: str
) -> Iterator[tuple[tuple[str, str, str], float, Instant]]:
    """Return what a message sets in the twin: (sensor, property, field), canonical value, phenomenon time."""
    decoder = registry()[decoder_of(feed)]
    decoded = decoder.decode(message.topic, message.payload, DecodingContext(received, timezone))
    device = devices.find(decoder.feeds, decoded.device)
    assert device is not None, (feed, decoded.device)
    for reading in decoded.readings:
        for target in device.targets.get(reading.field, ()):
            value = devices.conversion(target, reading.unit)(reading.value)
            time = received if reading.time is None else reading.time
            assert check_plausibility(target.property, value, time, received, PlausibilityBounds()) is None
            datastream = target.datastream
            yield (datastream.sensor, datastream.property, datastream.field), value, time


def check(plan: CityPlan, instants: Sequence[Instant], seed: int = 1) -> int:
    """Compare for every device at every instant; return how many values were compared."""
    model = plan.model(1)
    devices = DeviceMap(model, registry(), 4)
    truth = CityTruth(seed, plan)
    compared = 0
    for device in devices_of(plan, truth)[0]:
        for instant in instants:
            compared += check_device(device, devices, instant, plan.city.timezone)
    return compared


def check_device(device: VirtualDevice, devices: DeviceMap, instant: Instant, timezone: str) -> int:
    message = device.message(instant)
    received = instant + 40_000
    found = {
        key: (value, time)
        for key, value, time in held(devices, device.sensor.feed, message, received, timezone)
    }
    wanted = {
        (expected.datastream.sensor, expected.datastream.property, expected.datastream.field): (
            expected.value,
            received if expected.time is None else expected.time,
        )
        for expected in message.expected
    }
    assert found.keys() == wanted.keys(), (device.sensor.id, message.payload)
    for key, (value, time) in wanted.items():
        assert found[key][0] == pytest.approx(value, rel=1e-9, abs=1e-9), key
        assert found[key][1] == time, key
    return len(wanted)


def test_ingest_decodes_what_every_sensor_of_alkmaar_measured() -> None:
    plan = alkmaar()
    assert check(plan, [TUESDAY]) == len(plan.datastreams)


@pytest.mark.parametrize("feed", FEEDS)
def test_ingest_decodes_what_a_device_of_each_feed_measured_at_any_time(feed: str) -> None:
    plan = fleet(len(FEEDS))
    only = next(one for one in devices_of(plan, CityTruth(9, plan))[0] if one.sensor.feed == feed)
    devices = DeviceMap(plan.model(1), registry(), 4)
    for n in range(25):
        instant = TUESDAY + n * (7 * HOUR + 13 * MINUTE + 7 * SECOND + 11_000)
        assert check_device(only, devices, instant, plan.city.timezone) > 0


@pytest.mark.parametrize("instant", TWICE)
def test_meters_are_decoded_correctly_in_the_repeated_hour_of_autumn(instant: Instant) -> None:
    assert check(fleet(28), [instant]) > 0


def test_a_truncated_reading_stays_within_the_devices_resolution_of_the_truth() -> None:
    plan = fleet(14)
    truth = CityTruth(1, plan)
    for device in devices_of(plan, truth)[0]:
        for expected in device.message(TUESDAY).expected:
            datastream = expected.datastream
            if datastream.property.endswith("_count"):
                continue
            true = truth.value(datastream, expected.time or TUESDAY)
            assert expected.value == pytest.approx(true, abs=0.51 if datastream.unit == "1" else 0.06)
