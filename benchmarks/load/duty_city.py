"""The city of the case `duty`: sites that are loud once, and one person on duty.

Each site has its own sensor and neighbourhood, so that its alarm is an incident and a notification of its
own. The sensors send in turn; one message of each is a cycle. A site is loud for some cycles, once only: an
incident that returns soon is the same one, and its notification is delayed by design.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.load.traffic import LoadTraffic, Numbers
from tests.support.cities.city_builder import CityBuilder
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import (
    EntitySelection,
    ExpressionCondition,
    Level,
    Rule,
    ThresholdCondition,
)
from twin.alarms.severity import Severity
from twin.instant import HOUR
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel
from twin.model.duty import (
    Contact,
    DutyPlan,
    DutyTeam,
    EscalationPolicy,
    EscalationStep,
    IncidentRoute,
    NotificationChannel,
    StormLimit,
)

CITY = "duty"
PROPERTY = "noise_level"
SITES = 500
RULES = 100
RULES_OF_ALL_SITES = 10

CAUSE = "loud"
CONTACT = "duty-officer"
CHANNEL = "webhook"

SPREAD = 50
"""In how many cycles the sites become loud, equally many in each."""

LOUD_CYCLES = 20
"""An alarm that ends before its notification is never sent: with fewer cycles it would count as lost."""

_LIMIT_DB, _OVER_DB = 80.0, 75.0
_LOUD_TENTHS, _QUIET_TENTHS_MIN = 900, 400
_QUIET_STEPS = 200
_NEVER_DB = 130.0

# Much longer than a run: no value becomes stale.
_INTERVAL = HOUR


def site_name(index: int) -> str:
    """Return the id of a site."""
    return f"{CITY}.site-{index:03d}"


def area_name(index: int) -> str:
    """Return the id of the neighbourhood of a site."""
    return f"{CITY}.area-{index:03d}"


def sensor_name(index: int) -> str:
    """Return the id of the sensor of a site."""
    return f"sensor-{index:03d}"


def property_name(_: int) -> str:
    """Return the property of a datastream."""
    return PROPERTY


def tenths_of(numbers: Numbers) -> Numbers:
    """Return ten times the noise level, in dB[A], of messages by number."""
    cycle, site = np.divmod(numbers, SITES)
    first = 1 + site % SPREAD
    is_loud = (first <= cycle) & (cycle < first + LOUD_CYCLES)
    return np.where(is_loud, _LOUD_TENTHS, _QUIET_TENTHS_MIN) + (numbers + cycle) % _QUIET_STEPS


def expected_incidents(messages: int) -> dict[str, int]:
    """Return the incidents that this many messages open: for each area the number of the opening message."""
    openings = ((area_name(site), _first_loud_cycle(site) * SITES + site) for site in range(SITES))
    return {area: number for area, number in openings if number < messages}


def notification_id(area: str) -> str:
    """Return the id of the first notification for the incident of an area."""
    return f"{CAUSE}~{area}~1~0~0~{CONTACT}~{CHANNEL}"


def duty_city(receiver_port: int) -> CityModel:
    """Return the city model, with a webhook on this machine; applying it replaces the ids of datastreams."""
    builder = CityBuilder(CITY, "Duty").entity(CITY, "Municipality", "Duty")
    for site in range(SITES):
        builder.entity(area_name(site), "Neighbourhood").entity(
            site_name(site), "MonitoringSite", parent=area_name(site)
        )
        builder.sensor(sensor_name(site), site_name(site), PROPERTY, interval=_INTERVAL)
    return builder.model(version=0, rules={one.id: one for one in _rules()}, duty=_duty(receiver_port))


def _first_loud_cycle(site: int) -> int:
    return 1 + site % SPREAD


def _rules() -> Iterator[Rule]:
    """Yield the rule that causes notifications, and rules that are evaluated but never true."""
    sites = EntitySelection(types=("MonitoringSite",))
    yield _rule(CAUSE, _above(_LIMIT_DB, _OVER_DB), sites)
    for number in range(1, RULES_OF_ALL_SITES):
        yield _rule(f"all-{number}", _never(number), sites)
    for number in range(RULES - RULES_OF_ALL_SITES):
        yield _rule(f"one-{number}", _never(number), EntitySelection(entities=(site_name(number % SITES),)))


def _rule(id: str, condition: ThresholdCondition | ExpressionCondition, select: EntitySelection) -> Rule:
    return Rule(
        id=id,
        title=BilingualText(id, id),
        theme="environment",
        condition=condition,
        select=select,
        incident_area="Neighbourhood",
    )


def _never(number: int) -> ThresholdCondition | ExpressionCondition:
    if number % 3 == 0:
        return ExpressionCondition(
            source=f"{PROPERTY} > {_NEVER_DB}", operands=(Operand(PROPERTY),), severity=Severity.MAJOR
        )
    return _above(_NEVER_DB, _NEVER_DB)


def _above(raised: float, clear: float) -> ThresholdCondition:
    return ThresholdCondition(
        operand=Operand(PROPERTY), direction="above", levels=(Level(Severity.MAJOR, raised, clear),)
    )


def _duty(receiver_port: int) -> DutyPlan:
    """Return the duty plan: the contact on duty is notified at once, and only once in a run."""
    step = EscalationStep(notify="on-call", channels=(CHANNEL,), wait=HOUR)
    return DutyPlan(
        channels=(NotificationChannel(id=CHANNEL, url=f"json://127.0.0.1:{receiver_port}/{{address}}"),),
        contacts=(Contact(id=CONTACT, name="Duty officer", language="en", addresses={CHANNEL: CONTACT}),),
        teams=(DutyTeam(id="noise", name="Noise", members=(CONTACT,)),),
        policies=(EscalationPolicy(id="at-once", steps=(step,), group_wait=0),),
        routes=(IncidentRoute(team="noise", policy="at-once"),),
        storm=StormLimit(messages=0, group="incident"),
    )


TRAFFIC = LoadTraffic(
    city=CITY,
    sensors=SITES,
    sensor_name=sensor_name,
    property_name=property_name,
    tenths_of=tenths_of,
)
