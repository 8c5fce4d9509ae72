"""The desk: all cases and messages at once, and the change that each happening makes of them. No I/O.

Whoever owns it takes the change after each happening, and writes it before anything is done that follows
from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from alerting.delivery.retry_policy import ATTEMPTS_MAX, AttemptResult, retry_delay
from alerting.incidents.incident_state import (
    TICK,
    IncidentInput,
    IncidentPhase,
    IncidentState,
    MessageOutcome,
    NotificationRequest,
    UnreachableStep,
)
from alerting.incidents.journal import JournalChange, JournalContent, PartitionKey
from alerting.messages.message_text import compose_message, message_subject
from alerting.messages.outgoing_message import DOUBTFUL_DETAIL, MessageState, OutgoingMessage
from alerting.monitoring.watchdog_notice import REPEAT_EVERY, watchdog_notice
from alerting.policy.escalation import is_still_relevant, next_due, next_state, open_incident
from alerting.policy.notification_policy import DutyContext
from twin.alarms.messages import AlarmBatch, AlarmEvent
from twin.instant import DAY, Duration, Instant
from twin.model.city_model import CityModel
from twin.wire.duty_messages import DutyCommand

INCIDENT_RETENTION: Duration = 7 * DAY
"""So long a closed case and an ended message are remembered: what is told of them again does nothing."""

ALARM_RETENTION: Duration = DAY
"""So long an alarm that is over is remembered: the message that its incident is over may name it."""

STEPS_AT_ONCE_MAX = 100
"""So many steps of one case are taken at one time; the rest waits for the next look."""


class IncidentManager:
    """Owned by one task."""

    def __init__(self, memory: JournalContent, model: CityModel) -> None:
        self.model = model
        self.unreachable_steps = 0  #: steps that had nobody to tell
        self._memory = memory
        self._change = JournalChange()
        self._due: dict[str, Instant] = {}
        self._by_incident: defaultdict[str, set[str]] = defaultdict(set)
        for id, one in memory.messages.items():
            self._by_incident[one.send.incident].add(id)
        self._schedule_all()

    def take_change(self) -> JournalChange:
        """Return what is to be written, and begin the next change."""
        found, self._change = self._change, JournalChange()
        return found

    @property
    def log(self) -> str:
        """The identity of the log that positions are of; empty: it is to be read from its beginning."""
        return self._memory.log

    def position(self, place: PartitionKey) -> int:
        """Return the next offset to read; 0 where nothing was read."""
        return self._memory.positions.get(place, 0)

    @property
    def incidents(self) -> Iterable[IncidentState]:
        """All cases, closed ones too."""
        return self._memory.incidents.values()

    def incident(self, incident: str) -> IncidentState | None:
        """Return the case of an incident."""
        return self._memory.incidents.get(incident)

    @property
    def pending_messages(self) -> int:
        """How many messages have no outcome yet."""
        return len(self._memory.messages)

    # -- what happens -----------------------------------------------------------------------------------

    def reset_log(self) -> None:
        """Take positions of another log from now on; until it is named, a restart begins it anew."""
        self._memory.log, self._memory.positions = "", {}
        self._change.log, self._change.positions = "", {}

    def set_log(self, log: str) -> None:
        """Say which log positions are of: what was told on the one before is known."""
        self._memory.log = self._change.log = log
        self._change.positions = dict(self._memory.positions)

    def advance_position(self, place: PartitionKey, next_offset: int) -> None:
        """Remember how far the log was read."""
        self._memory.positions[place] = self._change.positions[place] = next_offset

    def on_alarm_batch(self, batch: AlarmBatch, now: Instant) -> None:
        """Take in what is told of alarms and incidents; what is known does nothing."""
        for alarm in batch.alarms:
            known = self._memory.alarms.get(alarm.alarm)
            if known is None or alarm.revision > known.revision:
                self._memory.alarms[alarm.alarm] = self._change.alarms[alarm.alarm] = alarm
        around = DutyContext(self.model, now)
        for incident in batch.incidents:
            case = self._memory.incidents.get(incident.incident)
            if case is not None:
                self._step(case, incident, around)
            elif (new := open_incident(incident, around)) is not None:
                self._put(new)

    def on_command(self, command: DutyCommand, now: Instant) -> None:
        """Do what a person wants; nothing for an incident that is not known."""
        case = self._memory.incidents.get(command.incident)
        if case is not None:
            self._step(case, command, DutyContext(self.model, now))

    def on_model(self, model: CityModel, now: Instant) -> None:
        """Work by another plan."""
        self.model = model
        self._schedule_all()
        for case in list(self._memory.incidents.values()):
            if case.phase is IncidentPhase.UNROUTED:
                self._step(case, TICK, DutyContext(model, now))

    def advance_to(self, now: Instant) -> None:
        """Do what is due, in the order in which it fell due."""
        around = DutyContext(self.model, now)
        for _ in range(STEPS_AT_ONCE_MAX):
            due = sorted((time, id) for id, time in self._due.items() if time <= now)
            if not due:
                return
            for _, id in due:
                self._step(self._memory.incidents[id], TICK, around)

    def next_due(self) -> Instant | None:
        """Return when there is something to do next."""
        times = list(self._due.values())
        times += [one.due for one in self._memory.messages.values() if one.standing is MessageState.WAITING]
        return min(times, default=None)

    # -- messages ---------------------------------------------------------------------------------------

    def due_messages(self, now: Instant) -> list[OutgoingMessage]:
        """Return the messages whose try is due, in the order in which they fell due."""
        found = (
            one
            for one in self._memory.messages.values()
            if one.standing is MessageState.WAITING and one.due <= now
        )
        return sorted(found, key=lambda one: (one.due, one.id))

    def begin_attempt(self, message: OutgoingMessage, now: Instant) -> OutgoingMessage:
        """Return a message as it is while it is handed over; it may be, once the change is written."""
        message = message.as_sending()
        self._keep(message)
        self._change.events.append(message.to_event("sending", now))
        return message

    def end_attempt(
        self, result: AttemptResult, now: Instant
    ) -> Literal["sent", "failed", "given-up", "withdrawn"]:
        """Take in how a try ended; return what became of the message."""
        message = self._memory.messages[result.id]
        if result.sent:
            self._end(message, now, "sent")
            return "sent"
        if not self._is_still_relevant(message):
            self._end(message, now, "withdrawn", result.detail)
            return "withdrawn"
        if result.doubtful:
            self._end(message, now, "given-up", result.detail, doubtful=True)
            return "given-up"
        if result.final or message.attempt >= ATTEMPTS_MAX:
            self._end(message, now, "given-up", result.detail)
            return "given-up"
        message = message.as_waiting(now + retry_delay(message.attempt))
        self._keep(message)
        self._change.events.append(message.to_event("failed", now, result.detail))
        return "failed"

    def resolve_doubtful(self, now: Instant) -> int:
        """Take messages that were being handed over when the process died for tried; return how many.

        They are not sent again: the contact may have them. Their step counts as one that reached nobody.
        """
        doubtful = [one for one in self._memory.messages.values() if one.standing is MessageState.SENDING]
        for message in doubtful:
            self._end(message, now, "given-up", DOUBTFUL_DETAIL, doubtful=True)
        return len(doubtful)

    def notify_outage(self, since: Instant, now: Instant) -> None:
        """Tell the second way that the way to here is closed; again after a while."""
        known = self._memory.outage
        since, told = known if known is not None else (since, 0)
        if now < since + told * REPEAT_EVERY:
            return
        self._memory.outage = self._change.outage = (since, told + 1)
        message = watchdog_notice(self.model, "closed", since, told, now)
        if message is not None:
            self._keep(message)

    def notify_outage_end(self, now: Instant) -> None:
        """Tell the second way, where it was told, that the way to here is open again."""
        if self._memory.outage is None:
            return
        since, told = self._memory.outage
        self._memory.outage, self._change.outage = None, (0, 0)
        message = watchdog_notice(self.model, "open", since, told, now)
        if message is not None:
            self._keep(message)

    def prune(self, now: Instant) -> None:
        """Forget what is long over."""
        memory, change = self._memory, self._change
        for id, case in list(memory.incidents.items()):
            closed = case.incident.closed_time
            if (
                case.phase is IncidentPhase.CLOSED
                and case.due is None
                and (closed or 0) < now - INCIDENT_RETENTION
            ):
                del memory.incidents[id]
                change.dropped_incidents.append(id)
        for id, alarm in list(memory.alarms.items()):
            if not alarm.active and alarm.told_time < now - ALARM_RETENTION:
                del memory.alarms[id]
                change.dropped_alarms.append(id)
        change.drop_messages_before = now - INCIDENT_RETENTION

    # -- within -----------------------------------------------------------------------------------------

    def _step(self, case: IncidentState, happening: IncidentInput, around: DutyContext) -> None:
        after, decisions = next_state(case, happening, around)
        if after is case:
            return
        self._put(after)
        for one in decisions:
            match one:
                case NotificationRequest():
                    self._add_message(case, after, one)
                case UnreachableStep():
                    self.unreachable_steps += 1
        for id in sorted(self._by_incident[case.id]):
            message = self._memory.messages[id]
            if message.standing is MessageState.WAITING and not self._is_still_relevant(message):
                self._end(message, around.now, "withdrawn")

    def _add_message(self, before: IncidentState, case: IncidentState, send: NotificationRequest) -> None:
        contacts = {one.id: one for one in self.model.duty.contacts}
        language = contacts[send.contact].language if send.contact in contacts else "nl"
        topic = message_subject(send.kind, case, before)
        said = compose_message(topic, language, self._alarms_of(case), self.model)
        self._keep(OutgoingMessage(send=send, wording=said, due=send.due_time))

    def _alarms_of(self, case: IncidentState) -> dict[str, AlarmEvent]:
        known = self._memory.alarms
        return {one.alarm: known[one.alarm] for one in case.incident.members if one.alarm in known}

    def _put(self, case: IncidentState) -> None:
        self._memory.incidents[case.id] = self._change.incidents[case.id] = case
        self._schedule(case)

    def _schedule_all(self) -> None:
        self._due = {}
        for case in self._memory.incidents.values():
            self._schedule(case)

    def _schedule(self, case: IncidentState) -> None:
        due = next_due(case, self.model)
        if due is not None:
            self._due[case.id] = due
        else:
            self._due.pop(case.id, None)

    def _is_still_relevant(self, message: OutgoingMessage) -> bool:
        case = self._memory.incidents.get(message.send.incident)
        return case is None or is_still_relevant(case, message.send.kind)

    def _keep(self, message: OutgoingMessage) -> None:
        self._memory.messages[message.id] = self._change.messages[message.id] = message
        self._by_incident[message.send.incident].add(message.id)

    def _end(
        self,
        message: OutgoingMessage,
        now: Instant,
        outcome: Literal["sent", "given-up", "withdrawn"],
        detail: str = "",
        *,
        doubtful: bool = False,
    ) -> None:
        message = message.as_ended()
        self._memory.messages.pop(message.id)
        self._by_incident[message.send.incident].discard(message.id)
        self._change.messages[message.id] = message
        self._change.ended[message.id] = now
        self._change.events.append(message.to_event(outcome, now, detail))
        case = self._memory.incidents.get(message.send.incident)
        if case is not None and outcome != "withdrawn":
            send = message.send
            how: Literal["sent", "given-up", "doubtful"] = "doubtful" if doubtful else outcome
            result = MessageOutcome(message.id, send.kind, send.contact, send.channel, how)
            self._step(case, result, DutyContext(self.model, now))
