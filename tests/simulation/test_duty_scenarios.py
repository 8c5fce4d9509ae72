"""Alkmaar's own rules and duty plan in the most important scenarios, in virtual time, with kills.

Each is one incident. The officer on call is notified at once, the next officer when nobody acknowledges, and
all of them when it is closed; nobody gets a message twice. Crashes of the stages are tested by
`tests.simulation`, real processes by `tests/e2e/test_duty.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from alerting.messages.outgoing_message import OutgoingMessage
from alerting.policy.roster import on_call
from tests.simulation.system.simulated_duty import SimulatedDuty
from tests.support.pipelines.scenario_day import ScenarioDay
from twin.alarms.messages import IncidentEvent
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant, parse_instant
from twin.model.sensor import Sensor

START = parse_instant("2026-11-24T09:00:00Z")
NOTIFIED_WITHIN: Duration = 10 * SECOND
"""From the event time of an alarm until a message is handed to the channel."""

SEEDS = (1, 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cloudburst_is_one_incident_and_is_notified_at_once(seed: int, tmp_path: Path) -> None:
    run = ScenarioDay("cloudburst", seed, START, _measures_water)
    with closing(SimulatedDuty(run.model, tmp_path / "journal", Random(seed))) as duty:
        _play(run, duty, run.advance(START + 75 * MINUTE))
        assert _incidents(run) == ["high-water~alkmaar~1"]
        _is_notified_in_time(run, duty)
        _is_escalated(duty)
        _is_bearable(duty)
        _nobody_is_notified_twice(duty)


def test_a_cloudburst_is_closed_when_the_water_has_fallen_and_all_recipients_are_notified(
    tmp_path: Path,
) -> None:
    run = ScenarioDay("cloudburst", 1, START, _of("wl-schermerboezem-c1", "wl-bierkade-1"))
    with closing(SimulatedDuty(run.model, tmp_path / "journal", Random(5))) as duty:
        _play(run, duty, run.advance(START + 2 * HOUR, 8 * SECOND))
        # Days of slowly falling water. The long steps restart the silence timers, which this test ignores.
        _play(run, duty, run.advance(START + 90 * HOUR, MINUTE))
        assert _incidents(run) == ["high-water~alkmaar~1"]
        assert not run.stages.incidents[-1].open
        _recovery_is_notified(duty)
        _nobody_is_notified_twice(duty)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_gateway_outage_is_one_incident_from_its_first_message_to_its_last(
    seed: int, tmp_path: Path
) -> None:
    run = ScenarioDay("gateway-outage", seed, START, lambda sensor: sensor.gateway != "")
    with closing(SimulatedDuty(run.model, tmp_path / "journal", Random(seed))) as duty:
        _play(run, duty, run.advance(START + 55 * MINUTE))
        assert len(_incidents(run)) == 1
        raised = {one.alarm for one in run.stages.alarms if one.state == "unacknowledged"}
        assert [one.split("~")[0] for one in raised] == ["gateway-outage"], "its sensors are quiet"
        assert not run.stages.incidents[-1].open
        _is_notified_in_time(run, duty)
        _is_escalated(duty)
        _recovery_is_notified(duty)
        _nobody_is_notified_twice(duty)


def _play(run: ScenarioDay, duty: SimulatedDuty, steps: Iterable[Instant]) -> None:
    for now in steps:
        duty.run_until(run.stages, now)


def _measures_water(sensor: Sensor) -> bool:
    return sensor.id.startswith("wl-")


def _of(*sensors: str) -> Callable[[Sensor], bool]:
    return lambda sensor: sensor.id in sensors


def _incidents(run: ScenarioDay) -> list[str]:
    return sorted({one.incident for one in run.stages.incidents})


def _first(events: Iterable[IncidentEvent]) -> IncidentEvent:
    return min(events, key=lambda one: one.revision)


def _is_notified_in_time(run: ScenarioDay, duty: SimulatedDuty) -> None:
    incident = _first(run.stages.incidents)
    raised = next(one for one in run.stages.alarms if one.alarm == incident.members[0].alarm)
    assert raised.raised_time is not None
    at, message = duty.delivered[0]
    assert message.request.incident == incident.incident
    assert at - raised.raised_time <= NOTIFIED_WITHIN
    teams = [one.id for one in run.model.duty.teams]
    assert message.request.contact in {on_call(run.model.duty, team, at) for team in teams}


def _is_escalated(duty: SimulatedDuty) -> None:
    """Assert that the second step is notified, since nobody acknowledges, in spite of the kills."""
    steps = [one.request.step for _, one in duty.delivered if one.request.kind != "recovery"]
    assert steps[0] == 0
    assert max(steps) >= 1


def _is_bearable(duty: SimulatedDuty) -> None:
    """Assert at most one message in ten minutes on average for a contact (EEMUA 191), and no title twice."""
    first, last = duty.delivered[0][0], duty.delivered[-1][0]
    for contact in {one.request.contact for _, one in duty.delivered}:
        titles = [one.text.title for _, one in duty.delivered if one.request.contact == contact]
        assert len(titles) <= 1 + (last - first) / (10 * MINUTE)
        assert len(set(titles)) == len(titles), titles


def _recovery_is_notified(duty: SimulatedDuty) -> None:
    over = {(one.request.contact, one.request.channel) for one in _of_kind(duty, "recovery")}
    assert over == {(one.request.contact, one.request.channel) for _, one in duty.delivered}


def _of_kind(duty: SimulatedDuty, kind: str) -> Iterator[OutgoingMessage]:
    return (one for _, one in duty.delivered if one.request.kind == kind)


def _nobody_is_notified_twice(duty: SimulatedDuty) -> None:
    assert duty.kills > 0, "the loop was never killed: this seed shows nothing"
    notified = Counter(one.id for _, one in duty.delivered)
    assert [id for id, count in notified.items() if count > 1] == []
