"""The watchdog: when the path is closed, and how often its contact is notified."""

from __future__ import annotations

from alerting.monitoring.watchdog import PathStatus, Watchdog
from tests.support.pipelines.duty_loop import NOON, DutyLoop, duty_plan
from twin.instant import HOUR, MINUTE, SECOND
from twin.wire.probe import Probe


def test_a_probe_must_return_on_every_partition() -> None:
    watchdog = Watchdog(NOON, partitions=2, patience=3 * MINUTE)
    for minute in range(10):
        now = NOON + minute * MINUTE
        watchdog.on_probes(0, [Probe(now)], now + SECOND)
    assert watchdog.status(NOON + 10 * MINUTE) is PathStatus.CLOSED
    watchdog.on_probes(1, [Probe(NOON + 10 * MINUTE)], NOON + 10 * MINUTE)
    assert watchdog.status(NOON + 10 * MINUTE) is PathStatus.OPEN
    assert watchdog.status(NOON + 14 * MINUTE) is PathStatus.CLOSED


def test_a_path_with_a_backlog_is_not_open_before_it_has_caught_up() -> None:
    watchdog = Watchdog(NOON, partitions=1, patience=4 * MINUTE)
    assert watchdog.status(NOON + 10 * MINUTE) is PathStatus.CLOSED
    watchdog.on_probes(0, [Probe(NOON + 7 * MINUTE)], NOON + 10 * MINUTE)
    assert watchdog.status(NOON + 10 * MINUTE) is PathStatus.CLOSED
    watchdog.on_probes(0, [Probe(NOON + 9 * MINUTE)], NOON + 10 * MINUTE)
    assert watchdog.status(NOON + 10 * MINUTE) is PathStatus.OPEN
    assert watchdog.status(NOON + 12 * MINUTE) is PathStatus.OPEN


def test_probes_from_the_past_or_the_future_are_ignored() -> None:
    watchdog = Watchdog(NOON, partitions=1, patience=3 * MINUTE)
    watchdog.on_probes(0, [Probe(NOON - 1), Probe(NOON + HOUR)], NOON + MINUTE)
    assert watchdog.status(NOON + MINUTE) is PathStatus.UNKNOWN
    assert watchdog.status(NOON + 4 * MINUTE) is PathStatus.CLOSED


def test_an_outage_is_notified_once_an_hour_and_its_end_once() -> None:
    run = DutyLoop(duty_plan(watchdog=("mail", "operations@town.example")))
    for minute in range(150):
        run.manager.notify_outage(NOON - MINUTE, NOON + minute * MINUTE)
        run.advance_until(NOON + minute * MINUTE)
    for _ in range(3):
        run.manager.notify_outage_end(run.now)
        run.advance(MINUTE)
    assert [one.minute for one in run.sent] == [0, 59, 119, 149]
    assert {(one.kind, one.contact, one.channel) for one in run.sent} == {("watchdog", "watchdog", "mail")}
    titles = [one.text.title for one in sorted(run.messages.values(), key=lambda one: one.due)]
    assert titles == ["Town: no alarm gets through"] * 3 + ["Town: alarms get through again"]


def test_without_a_watchdog_contact_nobody_is_notified() -> None:
    run = DutyLoop()
    run.manager.notify_outage(NOON, NOON)
    run.manager.notify_outage_end(NOON + MINUTE)
    run.advance(HOUR)
    assert run.events == []
