"""Messages of faulty devices keep their format, and the send queue releases them by time."""

from __future__ import annotations

import logging
from random import Random

import pytest

from ingest.decoders import registry
from ingest.decoding import DecodingContext
from simulators.devices import VirtualDevice, devices_of
from simulators.faults import DeviceFault, FaultChain, PlannedFault
from simulators.faults.clock_faults import ClockStepFault
from simulators.faults.faulty_device import FaultyDevice
from simulators.faults.network_faults import DropoutFault, DuplicateFault, LateFault
from simulators.faults.sensor_faults import StuckFault, WrongUnitFault
from simulators.send_queue import MESSAGES_MAX, SendQueue
from simulators.truth.city_truth import CityTruth
from tests.support.cities.fleet import FEEDS, fleet
from twin.instant import HOUR, MINUTE, SECOND, Instant, parse_instant

NOON = parse_instant("2026-11-23T12:00:00Z")
TIMED = ("native", "senml", "ttn", "chirpstack")


def device_of(feed: str) -> VirtualDevice:
    plan = fleet(len(FEEDS))
    return next(one for one in devices_of(plan, CityTruth(1, plan))[0] if one.sensor.feed == feed)


def with_faults(device: VirtualDevice, *faults: DeviceFault) -> FaultyDevice:
    return FaultyDevice(device, FaultChain(faults, Random(1)))


def decoded(feed: str, topic: str, payload: bytes, now: Instant) -> dict[str, tuple[float, Instant | None]]:
    decoder = next(one for one in registry().values() if feed in one.feeds)
    readings = decoder.decode(topic, payload, DecodingContext(now, "Europe/Amsterdam")).readings
    return {decoder.aliases.get(one.field, one.field): (one.value, one.time) for one in readings}


@pytest.mark.parametrize("feed", FEEDS)
def test_a_device_with_inactive_faults_sends_the_bytes_of_a_device_without_faults(feed: str) -> None:
    device = device_of(feed)
    (timed,) = with_faults(device, StuckFault(start=NOON + HOUR), LateFault(start=NOON + HOUR)).messages(NOON)
    assert timed.arrival == NOON
    assert timed.message == device.message(NOON)


@pytest.mark.parametrize("feed", FEEDS)
def test_messages_of_a_stuck_device_decode_to_its_first_values(feed: str) -> None:
    device = device_of(feed)
    faulty = with_faults(device, StuckFault())
    (first,) = faulty.messages(NOON)
    later = NOON + 40 * MINUTE
    (second,) = faulty.messages(later)
    assert first.message == device.message(NOON)
    first_values = {one.datastream.field: one.value for one in first.message.expected}
    received = {one.datastream.field: one.value for one in second.message.expected}
    assert received == pytest.approx(first_values, abs=0.06)
    found = decoded(feed, second.message.topic, second.message.payload, later)
    sound = decoded(feed, first.message.topic, first.message.payload, NOON)
    for expected in second.message.expected:
        name = expected.datastream.field
        assert found[name][0] == pytest.approx(sound[name][0], abs=0.06)


@pytest.mark.parametrize("feed", TIMED)
def test_a_wrong_clock_changes_the_time_of_a_message_and_not_its_values(feed: str) -> None:
    device = device_of(feed)
    (timed,) = with_faults(device, ClockStepFault(seconds=-600.0)).messages(NOON)
    sound = device.message(NOON)
    received = decoded(feed, timed.message.topic, timed.message.payload, NOON)
    true = decoded(feed, sound.topic, sound.payload, NOON)
    for expected in sound.expected:
        name = expected.datastream.field
        (value, time), (true_value, true_time) = received[name], true[name]
        assert value == true_value
        assert time is not None
        assert true_time is not None
        assert true_time - time == 600 * SECOND


def test_a_telegram_with_a_wrong_unit_has_a_valid_checksum() -> None:
    device = device_of("dsmr")
    (timed,) = with_faults(device, WrongUnitFault(factor=2.0, field="energy_import_t1")).messages(NOON)
    true = decoded("dsmr", *device.message(NOON)[:2], NOON)["energy_import_t1"][0]
    received = decoded("dsmr", timed.message.topic, timed.message.payload, NOON)["energy_import_t1"][0]
    assert received == pytest.approx(2.0 * true)


def test_a_duplicate_is_the_same_message_without_expected_values() -> None:
    device = device_of("native")
    first, second = with_faults(device, DuplicateFault(probability=1.0)).messages(NOON)
    assert second.message.payload == first.message.payload
    assert (len(first.message.expected), second.message.expected) == (2, ())


def two_devices(
    *faults: DeviceFault, messages_max: int = MESSAGES_MAX
) -> tuple[list[VirtualDevice], SendQueue]:
    plan = fleet(2)
    devices = devices_of(plan, CityTruth(1, plan))[0]
    planned = [PlannedFault("native-*", fault) for fault in faults]
    return devices, SendQueue(devices, planned, seed=1, messages_max=messages_max)


def test_the_queue_releases_messages_by_time_and_delays_late_ones() -> None:
    devices, queue = two_devices(LateFault(by=MINUTE))
    assert queue.faulty_device_count == 1
    for index, device in enumerate(devices):
        queue.add_report(NOON, index, device)
    assert [one.device for one in queue.take_due(NOON)] == [1]
    assert queue.next_instant() == NOON + MINUTE
    assert list(queue.take_due(NOON + MINUTE - 1)) == []
    assert [one.device for one in queue.take_due(NOON + MINUTE)] == [0]
    assert queue.next_instant() is None


def test_a_caller_that_stops_in_between_loses_no_message() -> None:
    devices, queue = two_devices()
    for index, device in enumerate(devices):
        queue.add_report(NOON, index, device)
    first = next(queue.take_due(NOON))
    assert next(queue.take_due(NOON)) == first


def test_a_dropped_report_leaves_the_queue_empty() -> None:
    devices, queue = two_devices(DropoutFault())
    queue.add_report(NOON, 0, devices[0])
    assert queue.next_instant() is None


def test_the_number_of_delayed_messages_is_bounded_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    devices, queue = two_devices(LateFault(by=HOUR), messages_max=3)
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            queue.add_report(NOON + number * MINUTE, 0, devices[0])
    assert len(list(queue.take_due(NOON + 2 * HOUR))) == 3
    assert len(caplog.records) == 1
