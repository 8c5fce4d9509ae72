"""The alarms and incidents of a simulated duty, by the production state machines, and what is true."""

from __future__ import annotations

from typing import NamedTuple

from alerting.delivery.acknowledge_links import AcknowledgeLink
from tests.support.pipelines.duty_loop import duty_alarm
from twin.alarms.alarm import Alarm, Explanation, StreamTime
from twin.alarms.incident import Incident
from twin.alarms.messages import AlarmBatch, AlarmEvent, IncidentMember, IncidentMemberUpdate, alarm_id
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState, TransitionRefused
from twin.instant import Instant
from twin.wire.codec import LAYOUT_VERSION

ENTITY = "canal"


class Occurrence(NamedTuple):
    """An occurrence of an alarm at the worst severity that it has had."""

    alarm: str
    occurrence: int
    worst: int


class IncidentTruth(NamedTuple):
    """What is true of an incident from a time on."""

    time: Instant
    open: bool
    acknowledged: bool  #: whether all its open alarms are
    holding: frozenset[str]  #: its alarms whose condition holds, whatever became of their rule
    occurrences: frozenset[Occurrence]  #: of its open alarms


class DutyWorld:
    """The alarms, each of a cause and an area of its own; `log` has a record for each change."""

    def __init__(self) -> None:
        self.log: list[AlarmBatch] = []
        self.alarms: dict[str, Alarm] = {}
        self.holding: set[str] = set()
        self.truth: dict[str, list[IncidentTruth]] = {}  #: by incident
        self._incidents: dict[tuple[str, str], Incident] = {}
        self._events: dict[str, AlarmEvent] = {}
        self._explanation = Explanation(duty_alarm().operands, "Water is high.", "Water is hoog.")

    def raise_(self, cause: str, area: str, severity: Severity, now: Instant) -> None:
        """Let the condition of an alarm hold, or hold at another severity."""
        id = alarm_id(cause, ENTITY)
        alarm = self.alarms.setdefault(
            id, Alarm(id, cause, ENTITY, rule_version=1, theme="water", cause=cause, area=area)
        )
        self.holding.add(id)
        context = StreamTime(now, now).context(now)
        if alarm.active:
            self._emit(alarm.change_severity(severity, self._explanation, context), now)
        else:
            self._emit(alarm.raise_(severity, self._explanation, context), now)

    def end(self, id: str, now: Instant, *, by_rule: str = "") -> None:
        """End an alarm: its values return, or, `by_rule`, its rule is changed or deleted while it holds."""
        alarm = self.alarms[id]
        context = StreamTime(now, now).context(now, text=by_rule, actor="anna" if by_rule else "")
        if by_rule == "the rule was deleted":
            self._emit(alarm.withdraw(context), now)
            return
        if not by_rule:
            self.holding.discard(id)
        self._emit(alarm.end(None, context), now)

    def silence(self, id: str, until: Instant, now: Instant) -> None:
        """Shelve an alarm, or end that."""
        alarm, context = self.alarms[id], StreamTime(now, now).context(now, actor="anna")
        is_shelved = alarm.state == AlarmState.SHELVED
        self._apply(alarm.unshelve(context) if is_shelved else alarm.shelve(until, context), now)

    def acknowledge(self, id: str, actor: str, now: Instant) -> None:
        """Acknowledge an alarm."""
        self._apply(self.alarms[id].acknowledge(StreamTime(now, now).context(now, actor=actor)), now)

    def acknowledge_by_link(self, link: AcknowledgeLink, now: Instant) -> list[Occurrence]:
        """Acknowledge what the API would by a link; return it."""
        done = []
        for id, event in list(self._events.items()):
            awaits = event.state in {AlarmState.UNACKNOWLEDGED, AlarmState.RETURNED_UNACKNOWLEDGED}
            if awaits and self._is_linked(event, link) and link.covers(event):
                done.append(Occurrence(id, event.occurrence, int(event.worst_known)))
                self.acknowledge(id, link.contact, now)
        return done

    def at(self, incident: str, time: Instant) -> IncidentTruth:
        """Return what was true of an incident at a time."""
        return [one for one in self.truth[incident] if one.time <= time][-1]

    def _is_linked(self, event: AlarmEvent, link: AcknowledgeLink) -> bool:
        return not link.incident or link.incident.startswith(f"{event.cause}~{event.area}~")

    def _apply(self, result: AlarmEvent | TransitionRefused, now: Instant) -> None:
        self._emit([] if isinstance(result, TransitionRefused) else [result], now)

    def _emit(self, events: list[AlarmEvent], now: Instant) -> None:
        for event in events:
            self._events[event.alarm] = event
            key = event.cause, event.area
            incident = self._incidents.setdefault(key, Incident(*key))
            member = IncidentMember(
                event.alarm, event.revision, event.state, event.active, event.severity, event.time
            )
            update = IncidentMemberUpdate(event.area, event.cause, event.theme, member)
            after = incident.on_member(update, StreamTime(now, now))
            incidents = () if after is None else (after,)
            self.log.append(AlarmBatch(LAYOUT_VERSION, now, (event,), incidents))
            if after is not None:
                self._record(after.incident, incident, now)

    def _record(self, id: str, incident: Incident, now: Instant) -> None:
        members = [one for one in incident.members.values() if one.active]
        is_open = [one for one in members if one.state in {"unacknowledged", "acknowledged"}]
        self.truth.setdefault(id, []).append(
            IncidentTruth(
                now,
                incident.open,
                all(one.state == "acknowledged" for one in is_open),
                frozenset(self.holding & incident.members.keys()),
                frozenset(
                    Occurrence(
                        one.alarm,
                        self._events[one.alarm].occurrence,
                        int(self._events[one.alarm].worst_known),
                    )
                    for one in is_open
                ),
            )
        )
