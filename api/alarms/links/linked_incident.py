"""The incident of an acknowledgement link: its alarms, who was notified of them, and who is next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, TypeAlias

from msgspec.structs import replace

from alerting.delivery.acknowledge_links import AcknowledgeLink
from alerting.incidents.incident_state import IncidentPhase, IncidentState
from alerting.policy.routing import match_route, recipients
from api.alarms.incident_acknowledgement import awaits_acknowledgement
from twin.alarms.messages import AlarmEvent, IncidentEvent
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.duty import Contact
from twin.wire.duty_messages import NotificationEvent

LINKED_ALARMS_MAX = 20
"""The most alarms that a phone gets, the worst first; of the others it gets the number."""

LINKED_NOTIFICATIONS_MAX = 20
"""The newest notifications of the incident that a phone gets."""

AcknowledgementOutcome: TypeAlias = Literal[
    "acknowledged", "already", "changed", "over", "used", "unanswered"
]


class LinkedAlarms(NamedTuple):
    """The alarms of a link's incident, or of the incidents of its digest; the worst first."""

    told: tuple[AlarmEvent, ...]  #: of which its message told
    later: tuple[AlarmEvent, ...]  #: others that wait for an acknowledgement

    @classmethod
    def of(cls, link: AcknowledgeLink, alarms: Iterable[AlarmEvent]) -> LinkedAlarms:
        """Divide the alarms of an incident by what a link covers."""
        known = sorted(alarms, key=_worst_first)
        return cls(
            tuple(event for event in known if link.covers(event)),
            tuple(event for event in known if not link.covers(event) and awaits_acknowledgement(event)),
        )

    @property
    def waiting(self) -> tuple[AlarmEvent, ...]:
        """The alarms that the link acknowledges."""
        return tuple(event for event in self.told if awaits_acknowledgement(event))

    @property
    def all(self) -> tuple[AlarmEvent, ...]:
        """Every alarm, the worst first."""
        return tuple(sorted((*self.told, *self.later), key=_worst_first))


def _worst_first(event: AlarmEvent) -> tuple[int, bool, Instant, str]:
    raised = event.raised_time if event.raised_time is not None else event.time
    return -event.severity, not awaits_acknowledgement(event), raised, event.alarm


class LinkOutcome(NamedTuple):
    """The result of pressing the button; all False before."""

    acknowledged: bool = False
    unanswered: bool = False
    already_used: bool = False


def acknowledgement_outcome(
    contact: Contact, alarms: LinkedAlarms, outcome: LinkOutcome
) -> AcknowledgementOutcome:
    """Return what became of an acknowledgement, by the alarms afterwards.

    One that arrives twice has the same outcome as one: what the contact has acknowledged stays acknowledged.
    """
    if outcome.unanswered:
        return "unanswered"
    if outcome.acknowledged:
        return "acknowledged"
    if outcome.already_used:
        return "used"
    if not alarms.waiting:
        if any(event.acknowledged_by == contact.name for event in alarms.told):
            return "acknowledged"
        if any(event.acknowledged_time is not None for event in alarms.told):
            return "already"
    # What its message told and still waits was refused, since it has become worse meanwhile.
    return "changed" if alarms.waiting or alarms.later else "over"


class NextStep(NamedTuple):
    """The contacts whom the duty loop notifies next, by the plan, unless somebody acknowledges."""

    contacts: tuple[str, ...]  #: ids
    time: Instant


class LinkedIncident(NamedTuple):
    """Everything that a link shows."""

    incident: IncidentEvent | None  #: None: of a digest
    alarms: LinkedAlarms
    notifications: Sequence[NotificationEvent] | None  #: the newest first; None: the database is away
    next: NextStep | None


def next_step(
    incident: IncidentEvent, notifications: Sequence[NotificationEvent], model: CityModel
) -> NextStep | None:
    """Return whom the step after the last one notifies, and when; None if nobody is due.

    Follows the plan only: quiet hours, a snooze and an assignment can change it.
    """
    steps = [one for one in notifications if one.kind in ("alarm", "change")]
    state = IncidentState(
        incident=incident,
        phase=IncidentPhase.ESCALATING,
        due=None,
        notified_severity=incident.severity,
    )
    route = match_route(state, model)
    if route is None or not steps or state.all_acknowledged:
        return None
    last = max(steps, key=lambda one: (one.due_time, one.round, one.step))
    if last.step >= len(route.policy.steps):
        return None  # of another plan
    round, number = last.round, last.step + 1
    if number == len(route.policy.steps):
        round, number = round + 1, 0
    if round > route.policy.repeat:
        return None
    asked = tuple(dict.fromkeys(one.contact for one in steps if one.round == round))
    at = last.due_time + route.policy.steps[last.step].wait
    reached = recipients(replace(state, asked=asked), route, number, model.duty, at)
    contacts = tuple(dict.fromkeys(one.contact for one in reached))
    return NextStep(contacts, at) if contacts else None
