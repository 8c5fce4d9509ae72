"""The desk: all cases and messages at once, and the change that each happening makes of them. No I/O.

Whoever owns it takes the change after each happening, and writes it before anything is done that follows
from it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal

from alerting.delivery.retry_policy import TRIES_MAX, TryResult, back_off
from alerting.incidents.incident_state import TICK, Case, Happening, Outcome, Phase, Send, Unreachable
from alerting.incidents.journal import Change, Memory, Place
from alerting.messages.message_text import wording
from alerting.messages.outgoing_message import DOUBTFUL, Message, Standing
from alerting.monitoring.watchdog_notice import TOLD_EVERY, watchdog_message
from alerting.policy.escalation import begun, due_at, is_wanted, step
from alerting.policy.notification_policy import Around
from alerting.topic import topic_of
from twin.alarms.messages import AlarmBatch, AlarmEvent
from twin.instant import DAY, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.duty import DutyCommand

KEPT: Duration = 7 * DAY
"""So long a closed case and an ended message are remembered: what is told of them again does nothing."""

ALARM_KEPT: Duration = DAY
"""So long an alarm that is over is remembered: the message that its incident is over may name it."""

STEPS_AT_ONCE_MAX = 100
"""So many steps of one case are taken at one time; the rest waits for the next look."""


class Desk:
    """Owned by one task."""

    def __init__(self, memory: Memory, model: CityModel) -> None:
        self.model = model
        self.unreachable = 0  #: steps that had nobody to tell
        self._memory = memory
        self._change = Change()
        self._due: dict[str, Instant] = {}
        self._by_incident: defaultdict[str, set[str]] = defaultdict(set)
        for id, one in memory.messages.items():
            self._by_incident[one.send.incident].add(id)
        self._reckon()

    def take_change(self) -> Change:
        """Return what is to be written, and begin the next change."""
        found, self._change = self._change, Change()
        return found

    @property
    def log(self) -> str:
        """The identity of the log that positions are of; empty: it is to be read from its beginning."""
        return self._memory.log

    def position(self, place: Place) -> int:
        """Return the next offset to read; 0 where nothing was read."""
        return self._memory.positions.get(place, 0)

    @property
    def cases(self) -> Iterable[Case]:
        """All cases, closed ones too."""
        return self._memory.cases.values()

    def case(self, incident: str) -> Case | None:
        """Return the case of an incident."""
        return self._memory.cases.get(incident)

    @property
    def waiting_messages(self) -> int:
        """How many messages have no outcome yet."""
        return len(self._memory.messages)

    # -- what happens -----------------------------------------------------------------------------------

    def begin_log(self) -> None:
        """Take positions of another log from now on; until it is named, a restart begins it anew."""
        self._memory.log, self._memory.positions = "", {}
        self._change.log, self._change.positions = "", {}

    def name_log(self, log: str) -> None:
        """Say which log positions are of: what was told on the one before is known."""
        self._memory.log = self._change.log = log
        self._change.positions = dict(self._memory.positions)

    def reach(self, place: Place, next_offset: int) -> None:
        """Remember how far the log was read."""
        self._memory.positions[place] = self._change.positions[place] = next_offset

    def hear(self, batch: AlarmBatch, now: Instant) -> None:
        """Take in what is told of alarms and incidents; what is known does nothing."""
        for alarm in batch.alarms:
            known = self._memory.alarms.get(alarm.alarm)
            if known is None or alarm.revision > known.revision:
                self._memory.alarms[alarm.alarm] = self._change.alarms[alarm.alarm] = alarm
        around = Around(self.model, now)
        for incident in batch.incidents:
            case = self._memory.cases.get(incident.incident)
            if case is not None:
                self._step(case, incident, around)
            elif (new := begun(incident, around)) is not None:
                self._put(new)

    def obey(self, command: DutyCommand, now: Instant) -> None:
        """Do what a person wants; nothing for an incident that is not known."""
        case = self._memory.cases.get(command.incident)
        if case is not None:
            self._step(case, command, Around(self.model, now))

    def work_by(self, model: CityModel, now: Instant) -> None:
        """Work by another plan."""
        self.model = model
        self._reckon()
        for case in list(self._memory.cases.values()):
            if case.phase is Phase.UNROUTED:
                self._step(case, TICK, Around(model, now))

    def pass_time(self, now: Instant) -> None:
        """Do what is due, in the order in which it fell due."""
        around = Around(self.model, now)
        for _ in range(STEPS_AT_ONCE_MAX):
            due = sorted((time, id) for id, time in self._due.items() if time <= now)
            if not due:
                return
            for _, id in due:
                self._step(self._memory.cases[id], TICK, around)

    def next_due(self) -> Instant | None:
        """Return when there is something to do next."""
        times = list(self._due.values())
        times += [one.due for one in self._memory.messages.values() if one.standing is Standing.WAITING]
        return min(times, default=None)

    # -- messages ---------------------------------------------------------------------------------------

    def sendable(self, now: Instant) -> list[Message]:
        """Return the messages whose try is due, in the order in which they fell due."""
        found = (
            one
            for one in self._memory.messages.values()
            if one.standing is Standing.WAITING and one.due <= now
        )
        return sorted(found, key=lambda one: (one.due, one.id))

    def begin_try(self, message: Message, now: Instant) -> Message:
        """Return a message as it is while it is handed over; it may be, once the change is written."""
        message = message.sending()
        self._keep(message)
        self._change.events.append(message.event("sending", now))
        return message

    def end_try(self, result: TryResult, now: Instant) -> Literal["sent", "failed", "given-up", "withdrawn"]:
        """Take in how a try ended; return what became of the message."""
        message = self._memory.messages[result.id]
        if result.sent:
            self._end(message, now, "sent")
            return "sent"
        if not self._wanted(message):
            self._end(message, now, "withdrawn", result.detail)
            return "withdrawn"
        if result.doubtful:
            self._end(message, now, "given-up", result.detail, doubtful=True)
            return "given-up"
        if result.final or message.attempt >= TRIES_MAX:
            self._end(message, now, "given-up", result.detail)
            return "given-up"
        message = message.again(now + back_off(message.attempt))
        self._keep(message)
        self._change.events.append(message.event("failed", now, result.detail))
        return "failed"

    def resolve_doubtful(self, now: Instant) -> int:
        """Take messages that were being handed over when the process died for tried; return how many.

        They are not sent again: the contact may have them. Their step counts as one that reached nobody.
        """
        doubtful = [one for one in self._memory.messages.values() if one.standing is Standing.SENDING]
        for message in doubtful:
            self._end(message, now, "given-up", DOUBTFUL, doubtful=True)
        return len(doubtful)

    def tell_outage(self, since: Instant, now: Instant) -> None:
        """Tell the second way that the way to here is closed; again after a while."""
        known = self._memory.outage
        since, told = known if known is not None else (since, 0)
        if now < since + told * TOLD_EVERY:
            return
        self._memory.outage = self._change.outage = (since, told + 1)
        message = watchdog_message(self.model, "closed", since, told, now)
        if message is not None:
            self._keep(message)

    def end_outage(self, now: Instant) -> None:
        """Tell the second way, where it was told, that the way to here is open again."""
        if self._memory.outage is None:
            return
        since, told = self._memory.outage
        self._memory.outage, self._change.outage = None, (0, 0)
        message = watchdog_message(self.model, "open", since, told, now)
        if message is not None:
            self._keep(message)

    def prune(self, now: Instant) -> None:
        """Forget what is long over."""
        memory, change = self._memory, self._change
        for id, case in list(memory.cases.items()):
            closed = case.incident.closed_time
            if case.phase is Phase.CLOSED and case.due is None and (closed or 0) < now - KEPT:
                del memory.cases[id]
                change.dropped_cases.append(id)
        for id, alarm in list(memory.alarms.items()):
            if not alarm.active and alarm.told_time < now - ALARM_KEPT:
                del memory.alarms[id]
                change.dropped_alarms.append(id)
        change.drop_messages_before = now - KEPT

    # -- within -----------------------------------------------------------------------------------------

    def _step(self, case: Case, happening: Happening, around: Around) -> None:
        after, decisions = step(case, happening, around)
        if after is case:
            return
        self._put(after)
        for one in decisions:
            match one:
                case Send():
                    self._compose(case, after, one)
                case Unreachable():
                    self.unreachable += 1
        for id in sorted(self._by_incident[case.id]):
            message = self._memory.messages[id]
            if message.standing is Standing.WAITING and not self._wanted(message):
                self._end(message, around.now, "withdrawn")

    def _compose(self, before: Case, case: Case, send: Send) -> None:
        contacts = {one.id: one for one in self.model.duty.contacts}
        language = contacts[send.contact].language if send.contact in contacts else "nl"
        topic = topic_of(send.kind, case, before)
        said = wording(topic, language, self._alarms_of(case), self.model)
        self._keep(Message(send=send, wording=said, due=send.due_time))

    def _alarms_of(self, case: Case) -> dict[str, AlarmEvent]:
        known = self._memory.alarms
        return {one.alarm: known[one.alarm] for one in case.incident.members if one.alarm in known}

    def _put(self, case: Case) -> None:
        self._memory.cases[case.id] = self._change.cases[case.id] = case
        self._schedule(case)

    def _reckon(self) -> None:
        self._due = {}
        for case in self._memory.cases.values():
            self._schedule(case)

    def _schedule(self, case: Case) -> None:
        due = due_at(case, self.model)
        if due is not None:
            self._due[case.id] = due
        else:
            self._due.pop(case.id, None)

    def _wanted(self, message: Message) -> bool:
        case = self._memory.cases.get(message.send.incident)
        return case is None or is_wanted(case, message.send.kind)

    def _keep(self, message: Message) -> None:
        self._memory.messages[message.id] = self._change.messages[message.id] = message
        self._by_incident[message.send.incident].add(message.id)

    def _end(
        self,
        message: Message,
        now: Instant,
        outcome: Literal["sent", "given-up", "withdrawn"],
        detail: str = "",
        *,
        doubtful: bool = False,
    ) -> None:
        message = message.ended()
        self._memory.messages.pop(message.id)
        self._by_incident[message.send.incident].discard(message.id)
        self._change.messages[message.id] = message
        self._change.ended[message.id] = now
        self._change.events.append(message.event(outcome, now, detail))
        case = self._memory.cases.get(message.send.incident)
        if case is not None and outcome != "withdrawn":
            send = message.send
            how: Literal["sent", "given-up", "doubtful"] = "doubtful" if doubtful else outcome
            result = Outcome(message.id, send.kind, send.contact, send.channel, how)
            self._step(case, result, Around(self.model, now))
