"""The effect of each fault on the reports of a device; faults compose, and depend on the seed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from simulators.faults import DeviceFault, DeviceReading, DeviceReport, ReportDelivery, apply_faults
from simulators.faults.clock_faults import ClockDriftFault, ClockStepFault, DstNightFault
from simulators.faults.network_faults import (
    BacklogFault,
    DropoutFault,
    DuplicateFault,
    LateFault,
    OutageFault,
    ReorderFault,
    SwappedHalvesFault,
)
from simulators.faults.sensor_faults import (
    BlindCounterFault,
    CorrectionFault,
    DriftFault,
    RebootFault,
    SpikeFault,
    StuckFault,
    WrongUnitFault,
)
from twin.instant import DAY, HOUR, MINUTE, SECOND, Instant, parse_instant

NOON = parse_instant("2026-11-23T12:00:00Z")
FROM_10: dict[str, Any] = {"start": NOON + 10 * MINUTE, "length": 10 * MINUTE}


def reports(count: int = 60, *, start: Instant = NOON, every: int = MINUTE) -> list[DeviceReport]:
    """Return the reports of a device with a level and a running total, once a minute."""
    return [
        DeviceReport(
            now, (DeviceReading("level", now, 100.0 + n), DeviceReading("total", now, 5000.0 + 3 * n))
        )
        for n, now in enumerate(range(start, start + count * every, every))
    ]


def deliveries(
    *faults: DeviceFault, seed: int = 1, sent: Sequence[DeviceReport] | None = None
) -> list[ReportDelivery]:
    return apply_faults(reports() if sent is None else sent, faults, Random(seed))


def values(found: Sequence[ReportDelivery], field: str = "level") -> list[float]:
    return [one.value for delivery in found for one in delivery.readings if one.field == field]


def changed(found: Sequence[ReportDelivery]) -> list[int]:
    return [one.number for one in found if one.readings != one.truth]


def test_without_faults_reports_arrive_when_due_with_true_values() -> None:
    found = deliveries()
    assert [one.readings for one in found] == [one.readings for one in reports()]
    assert [one.arrival for one in found] == [one.due for one in reports()]
    assert all(tuple(one.true_readings()) == one.readings for one in found)


def test_a_wrong_unit_scales_its_fields_while_it_is_active() -> None:
    found = deliveries(WrongUnitFault(factor=100.0, offset=1.0, field="lev*", **FROM_10))
    assert changed(found) == list(range(10, 20))
    assert values(found)[9:11] == [109.0, 11_001.0]
    assert values(found, "total") == values(deliveries(), "total")


def test_a_stuck_sensor_repeats_the_first_value_of_each_window() -> None:
    found = values(deliveries(StuckFault(**FROM_10, every=30 * MINUTE)))
    assert found[10:21] == [110.0] * 10 + [120.0]
    assert found[40:50] == [140.0] * 10


def test_a_drift_grows_with_time_and_ends_with_the_repair() -> None:
    found = values(deliveries(DriftFault(per_hour=60.0, field="level", **FROM_10)))
    assert found[10:13] == pytest.approx([110.0, 112.0, 114.0])
    assert found[20] == 120.0
    assert values(deliveries(DriftFault(per_hour=60.0)))[:2] == [100.0, 102.0]


def test_spikes_are_single_values_of_at_least_half_the_height() -> None:
    sent = reports(2_000)
    found = deliveries(SpikeFault(height=500.0, probability=0.05, field="level"), sent=sent)
    jumps = [a - b.readings[0].value for a, b in zip(values(found), sent, strict=True)]
    spikes = [abs(jump) for jump in jumps if jump]
    assert 60 < len(spikes) < 140
    assert all(250.0 <= spike <= 500.0 for spike in spikes)
    assert {jump > 0 for jump in jumps if jump} == {True, False}


def test_a_blind_counter_reports_zeros_on_time() -> None:
    found = deliveries(BlindCounterFault(field="total", **FROM_10))
    assert values(found, "total")[9:12] == [5027.0, 0.0, 0.0]
    assert [one.arrival for one in found] == [one.due for one in reports()]


def test_a_reboot_is_silent_and_then_counts_from_zero_without_losing_an_increment() -> None:
    found = deliveries(RebootFault(start=NOON + 10 * MINUTE, silent=3 * MINUTE, field="total"))
    assert [one.number for one in found] == [*range(10), *range(13, 60)]
    totals = values(found, "total")
    assert totals[9] == 5027.0
    # Three a minute since the last report, four minutes ago.
    assert totals[10:12] == [12.0, 15.0]
    assert values(found)[10] == 113.0


def test_each_repeated_reboot_resets_the_count() -> None:
    found = values(deliveries(RebootFault(start=NOON, every=20 * MINUTE, silent=0, field="total")), "total")
    assert [n for n, (a, b) in enumerate(pairwise(found), 1) if b < a] == [20, 40]


def test_a_clock_step_shifts_device_times_and_nothing_else() -> None:
    found = deliveries(ClockStepFault(seconds=-90.0, **FROM_10))
    assert [one.readings[0].time for one in found[9:12]] == [
        NOON + 9 * MINUTE,
        NOON + 10 * MINUTE - 90 * SECOND,
        NOON + 11 * MINUTE - 90 * SECOND,
    ]
    assert values(found) == values(deliveries())
    assert [one.arrival for one in found] == [one.due for one in reports()]


def test_a_clock_that_runs_fast_gains_in_proportion_to_time() -> None:
    sent = reports(25, every=HOUR)
    found = deliveries(ClockDriftFault(ppm=100.0), sent=sent)
    assert [one.device_time - one.due for one in found][:2] == [0, 360_000]
    assert found[24].device_time - found[24].due == 8_640_000  # 8.64 s a day


def test_clock_faults_do_not_change_readings_without_a_time() -> None:
    sent = [DeviceReport(NOON, (DeviceReading("pm2_5", None, 8.0),))]
    assert deliveries(ClockStepFault(), sent=sent)[0].readings == sent[0].readings


def test_local_time_without_offset_repeats_the_hour_in_autumn() -> None:
    midnight = parse_instant("2026-10-24T22:00:00Z")
    sent = reports(24, start=midnight, every=15 * MINUTE)
    found = deliveries(DstNightFault(), sent=sent)
    moved = [one.number for one in found if one.device_time != one.due]
    assert moved == [12, 13, 14, 15]  # 01:00 to 01:45 UTC
    assert {one.due - one.device_time for one in found} == {0, HOUR}
    filled = deliveries(DstNightFault(fill=0.0, field="level"), sent=sent)
    assert [one.number for one in filled if one.readings[0].value == 0.0] == moved


def test_local_time_is_unique_on_every_other_day_of_the_year() -> None:
    sent = reports(365 * 24, start=parse_instant("2026-01-01T00:00:00Z"), every=HOUR)
    found = deliveries(DstNightFault(), sent=sent)
    assert [one.due for one in found if one.device_time != one.due] == [parse_instant("2026-10-25T01:00:00Z")]


def test_a_dropout_loses_all_or_the_given_share() -> None:
    assert [one.number for one in deliveries(DropoutFault(**FROM_10))] == [*range(10), *range(20, 60)]
    assert 850 < len(deliveries(DropoutFault(probability=0.1), sent=reports(1_000))) < 950


def test_after_an_outage_buffered_reports_arrive_in_a_burst() -> None:
    found = deliveries(OutageFault(**FROM_10, capacity=6, spacing=SECOND))
    end = NOON + 20 * MINUTE
    assert [(one.number, one.arrival) for one in found[10:16]] == [
        (10, end),
        (20, end),
        (11, end + SECOND),
        (12, end + 2 * SECOND),
        (13, end + 3 * SECOND),
        (14, end + 4 * SECOND),
    ]
    assert {one.number for one in found} == set(range(60)) - set(range(16, 20))
    assert changed(found) == []


def test_duplicates_have_equal_readings_and_are_marked() -> None:
    found = deliveries(DuplicateFault(probability=1.0, within=5 * SECOND))
    assert len(found) == 120
    firsts = {one.number: one for one in found if not one.is_copy}
    for copy in (one for one in found if one.is_copy):
        assert copy.readings == firsts[copy.number].readings
        assert 0 <= copy.arrival - firsts[copy.number].arrival <= 5 * SECOND


def test_reordering_changes_the_order_and_loses_no_report() -> None:
    found = deliveries(ReorderFault(probability=0.5, by=10 * MINUTE))
    numbers = [one.number for one in found]
    assert numbers != sorted(numbers)
    assert sorted(numbers) == list(range(60))
    assert all(0 <= one.arrival - one.due <= 10 * MINUTE for one in found)


def test_late_reports_keep_their_order() -> None:
    found = deliveries(LateFault(by=DAY))
    assert [one.number for one in found] == list(range(60))
    assert {one.arrival - one.due for one in found} == {DAY}


ALL = (
    LateFault(by=HOUR, start=NOON + 30 * MINUTE),
    DuplicateFault(probability=0.3),
    SpikeFault(probability=0.3, field="level"),
    ClockStepFault(seconds=60.0),
    StuckFault(**FROM_10),
    ReorderFault(probability=0.3),
    DropoutFault(probability=0.2),
)


def test_faults_apply_in_order_of_their_location() -> None:
    found = deliveries(LateFault(by=HOUR), ClockStepFault(seconds=60.0), WrongUnitFault(factor=2.0))
    assert found == deliveries(WrongUnitFault(factor=2.0), ClockStepFault(seconds=60.0), LateFault(by=HOUR))
    first = found[0]
    assert first.readings[0] == DeviceReading("level", NOON + MINUTE, 200.0)
    assert (first.arrival, first.truth) == (NOON + HOUR, reports()[0].readings)


def test_the_same_seed_gives_the_same_deliveries_and_another_one_others() -> None:
    assert deliveries(*ALL, seed=5) == deliveries(*ALL, seed=5)
    assert deliveries(*ALL, seed=5) != deliveries(*ALL, seed=6)


def test_an_additional_fault_does_not_change_the_others() -> None:
    without = deliveries(*ALL)
    more = deliveries(*ALL, LateFault(by=0))
    assert more == without


def test_arrivals_are_in_order_and_each_reading_has_its_truth() -> None:
    sent = reports()
    for delivery, following in pairwise(deliveries(*ALL)):
        assert delivery.arrival <= following.arrival
        assert delivery.truth == sent[delivery.number].readings
        assert delivery.due == sent[delivery.number].due


def test_a_delivery_returns_its_true_readings() -> None:
    truth = (DeviceReading("a", 0, 1.0), DeviceReading("b", 0, 2.0))
    delivered = (truth[0], truth[1]._replace(value=3.0))
    assert list(ReportDelivery(0, 0, 0, 0, delivered, truth).true_readings()) == [truth[0]]


def test_a_backlog_arrives_in_one_moment_at_the_end_of_each_window() -> None:
    found = deliveries(BacklogFault(**FROM_10, every=30 * MINUTE))
    late = [(one.number, one.arrival) for one in found if one.arrival != one.due]
    assert late == [
        *((number, NOON + 20 * MINUTE) for number in range(10, 20)),
        *((number, NOON + 50 * MINUTE) for number in range(40, 50)),
    ]
    assert all(one.readings == one.truth for one in found)


def test_swapped_halves_arrive_in_their_order_with_the_second_half_first() -> None:
    found = deliveries(SwappedHalvesFault(**FROM_10, pause=SECOND))
    inside = [one for one in found if 10 <= one.number < 20]
    assert [one.number for one in inside] == [*range(15, 20), *range(10, 15)]
    assert [one.arrival for one in inside] == [NOON + 20 * MINUTE] * 5 + [NOON + 20 * MINUTE + SECOND] * 5


def test_a_correction_follows_each_wrong_value() -> None:
    found = deliveries(CorrectionFault(**FROM_10, factor=10.0, after=5 * MINUTE, field="level"))
    of_one = [(one.arrival, one.readings[0].value) for one in found if one.number == 12]
    assert of_one == [(NOON + 12 * MINUTE, 1120.0), (NOON + 17 * MINUTE, 112.0)]
    assert changed(found) == list(range(10, 20))
    assert len(found) == 70
