"""Faults on the wire: messages stay what the format says, and the outbox lets them out by time."""

from __future__ import annotations

import logging
from random import Random

import pytest

from ingest.decoders import registry
from ingest.decoding import DecodingContext
from simulators import send_queue as outbox_module
from simulators.devices import VirtualDevice, devices_of
from simulators.faults import DeviceFault, FaultChain, PlannedFault
from simulators.faults.clock_faults import ClockStepFault
from simulators.faults.faulty_device import FaultyDevice
from simulators.faults.network_faults import DropoutFault, DuplicateFault, LateFault
from simulators.faults.sensor_faults import StuckFault, WrongUnitFault
from simulators.fleet import FEEDS, fleet
from simulators.send_queue import SendQueue
from simulators.truth.city_truth import CityTruth
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
def test_a_device_whose_faults_rest_says_byte_for_byte_what_a_sound_one_says(feed: str) -> None:
    device = device_of(feed)
    (sending,) = with_faults(device, StuckFault(start=NOON + HOUR), LateFault(start=NOON + HOUR)).messages(
        NOON
    )
    assert sending.arrival == NOON
    assert sending.message == device.message(NOON)


@pytest.mark.parametrize("feed", FEEDS)
def test_a_stuck_device_of_every_feed_can_be_decoded_and_tells_its_first_values(feed: str) -> None:
    device = device_of(feed)
    faulty = with_faults(device, StuckFault())
    (first,) = faulty.messages(NOON)
    later = NOON + 40 * MINUTE
    (second,) = faulty.messages(later)
    assert first.message == device.message(NOON)
    held = {one.datastream.field: one.value for one in first.message.expected}
    told = {one.datastream.field: one.value for one in second.message.expected}
    assert told == pytest.approx(held, abs=0.06)
    found = decoded(feed, second.message.topic, second.message.payload, later)
    sound = decoded(feed, first.message.topic, first.message.payload, NOON)
    for one in second.message.expected:
        name = one.datastream.field
        assert found[name][0] == pytest.approx(sound[name][0], abs=0.06)


@pytest.mark.parametrize("feed", TIMED)
def test_a_clock_that_is_off_moves_the_time_on_the_wire_and_not_the_values(feed: str) -> None:
    device = device_of(feed)
    (sending,) = with_faults(device, ClockStepFault(seconds=-600.0)).messages(NOON)
    sound = device.message(NOON)
    told = decoded(feed, sending.message.topic, sending.message.payload, NOON)
    true = decoded(feed, sound.topic, sound.payload, NOON)
    for one in sound.expected:
        name = one.datastream.field
        (value, time), (true_value, true_time) = told[name], true[name]
        assert value == true_value
        assert time is not None
        assert true_time is not None
        assert true_time - time == 600 * SECOND


def test_a_wrong_unit_reaches_the_meters_telegram_with_a_right_checksum() -> None:
    device = device_of("dsmr")
    (sending,) = with_faults(device, WrongUnitFault(factor=2.0, field="energy_import_t1")).messages(NOON)
    true = decoded("dsmr", *device.message(NOON)[:2], NOON)["energy_import_t1"][0]
    told = decoded("dsmr", sending.message.topic, sending.message.payload, NOON)["energy_import_t1"][0]
    assert told == pytest.approx(2.0 * true)


def test_a_copy_is_the_same_message_and_expects_nothing_of_its_own() -> None:
    device = device_of("native")
    first, second = with_faults(device, DuplicateFault(probability=1.0)).messages(NOON)
    assert second.message.payload == first.message.payload
    assert (len(first.message.expected), second.message.expected) == (2, ())


def two_devices(*faults: DeviceFault) -> tuple[list[VirtualDevice], SendQueue]:
    plan = fleet(2)
    devices = devices_of(plan, CityTruth(1, plan))[0]
    planned = [PlannedFault("native-*", fault) for fault in faults]
    return devices, SendQueue(devices, planned, seed=1)


def test_the_outbox_lets_messages_out_by_time_and_holds_back_late_ones() -> None:
    devices, outbox = two_devices(LateFault(by=MINUTE))
    assert outbox.faulty_device_count == 1
    for index, device in enumerate(devices):
        outbox.add_report(NOON, index, device)
    assert [one.device for one in outbox.take_due(NOON)] == [1]
    assert outbox.next_instant() == NOON + MINUTE
    assert list(outbox.take_due(NOON + MINUTE - 1)) == []
    assert [one.device for one in outbox.take_due(NOON + MINUTE)] == [0]
    assert outbox.next_instant() is None


def test_an_outbox_that_is_left_in_the_middle_loses_no_message() -> None:
    devices, outbox = two_devices()
    for index, device in enumerate(devices):
        outbox.add_report(NOON, index, device)
    first = next(outbox.take_due(NOON))
    assert next(outbox.take_due(NOON)) == first


def test_a_lost_report_leaves_nothing_in_the_outbox() -> None:
    devices, outbox = two_devices(DropoutFault())
    outbox.add_report(NOON, 0, devices[0])
    assert outbox.next_instant() is None


def test_what_faults_hold_back_is_bounded_and_the_loss_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox_module, "HELD_MAX", 3)
    devices, outbox = two_devices(LateFault(by=HOUR))
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            outbox.add_report(NOON + number * MINUTE, 0, devices[0])
    assert len(list(outbox.take_due(NOON + 2 * HOUR))) == 3
    assert len(caplog.records) == 1
