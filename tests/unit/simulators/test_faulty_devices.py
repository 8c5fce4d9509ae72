"""Faults on the wire: messages stay what the format says, and the outbox lets them out by time."""

from __future__ import annotations

import logging
from random import Random

import pytest

from ingest.decoders import registry
from ingest.decoding import DecodingContext
from simulators import send_queue as outbox_module
from simulators.devices import Device, devices_of
from simulators.faults import Chain, Fault, PlannedFault
from simulators.faults.clock_faults import ClockStep
from simulators.faults.faulty_device import FaultyDevice
from simulators.faults.network_faults import Dropout, Duplicate, Late
from simulators.faults.sensor_faults import Stuck, WrongUnit
from simulators.fleet import FEEDS, fleet
from simulators.send_queue import Outbox
from simulators.truth.city_truth import CityTruth
from twin.instant import HOUR, MINUTE, SECOND, Instant, parse_instant

NOON = parse_instant("2026-11-23T12:00:00Z")
TIMED = ("native", "senml", "ttn", "chirpstack")


def device_of(feed: str) -> Device:
    plan = fleet(len(FEEDS))
    return next(one for one in devices_of(plan, CityTruth(1, plan))[0] if one.sensor.feed == feed)


def with_faults(device: Device, *faults: Fault) -> FaultyDevice:
    return FaultyDevice(device, Chain(faults, Random(1)))


def decoded(feed: str, topic: str, payload: bytes, now: Instant) -> dict[str, tuple[float, Instant | None]]:
    decoder = next(one for one in registry().values() if feed in one.feeds)
    readings = decoder.decode(topic, payload, DecodingContext(now, "Europe/Amsterdam")).readings
    return {decoder.aliases.get(one.field, one.field): (one.value, one.time) for one in readings}


@pytest.mark.parametrize("feed", FEEDS)
def test_a_device_whose_faults_rest_says_byte_for_byte_what_a_sound_one_says(feed: str) -> None:
    device = device_of(feed)
    (sending,) = with_faults(device, Stuck(start=NOON + HOUR), Late(start=NOON + HOUR)).sendings(NOON)
    assert sending.arrival == NOON
    assert sending.message == device.message(NOON)


@pytest.mark.parametrize("feed", FEEDS)
def test_a_stuck_device_of_every_feed_can_be_decoded_and_tells_its_first_values(feed: str) -> None:
    device = device_of(feed)
    faulty = with_faults(device, Stuck())
    (first,) = faulty.sendings(NOON)
    later = NOON + 40 * MINUTE
    (second,) = faulty.sendings(later)
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
    (sending,) = with_faults(device, ClockStep(seconds=-600.0)).sendings(NOON)
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
    (sending,) = with_faults(device, WrongUnit(factor=2.0, field="energy_import_t1")).sendings(NOON)
    true = decoded("dsmr", *device.message(NOON)[:2], NOON)["energy_import_t1"][0]
    told = decoded("dsmr", sending.message.topic, sending.message.payload, NOON)["energy_import_t1"][0]
    assert told == pytest.approx(2.0 * true)


def test_a_copy_is_the_same_message_and_expects_nothing_of_its_own() -> None:
    device = device_of("native")
    first, second = with_faults(device, Duplicate(probability=1.0)).sendings(NOON)
    assert second.message.payload == first.message.payload
    assert (len(first.message.expected), second.message.expected) == (2, ())


def two_devices(*faults: Fault) -> tuple[list[Device], Outbox]:
    plan = fleet(2)
    devices = devices_of(plan, CityTruth(1, plan))[0]
    planned = [PlannedFault("native-*", fault) for fault in faults]
    return devices, Outbox(devices, planned, seed=1)


def test_the_outbox_lets_messages_out_by_time_and_holds_back_late_ones() -> None:
    devices, outbox = two_devices(Late(by=MINUTE))
    assert outbox.faulty == 1
    for index, device in enumerate(devices):
        outbox.put(NOON, index, device)
    assert [one.device for one in outbox.until(NOON)] == [1]
    assert outbox.next_instant() == NOON + MINUTE
    assert list(outbox.until(NOON + MINUTE - 1)) == []
    assert [one.device for one in outbox.until(NOON + MINUTE)] == [0]
    assert outbox.next_instant() is None


def test_an_outbox_that_is_left_in_the_middle_loses_no_message() -> None:
    devices, outbox = two_devices()
    for index, device in enumerate(devices):
        outbox.put(NOON, index, device)
    first = next(outbox.until(NOON))
    assert next(outbox.until(NOON)) == first


def test_a_lost_report_leaves_nothing_in_the_outbox() -> None:
    devices, outbox = two_devices(Dropout())
    outbox.put(NOON, 0, devices[0])
    assert outbox.next_instant() is None


def test_what_faults_hold_back_is_bounded_and_the_loss_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(outbox_module, "HELD_MAX", 3)
    devices, outbox = two_devices(Late(by=HOUR))
    with caplog.at_level(logging.WARNING):
        for number in range(5):
            outbox.put(NOON + number * MINUTE, 0, devices[0])
    assert len(list(outbox.until(NOON + 2 * HOUR))) == 3
    assert len(caplog.records) == 1
