"""The incident manager: all incidents and messages, and the journal change that each input causes. No I/O.

The owner takes the change after each input, and writes it to the journal before it acts on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Literal, TypeAlias

from msgspec.structs import replace

from alerting.delivery.acknowledge_links import occurrence_digest
from alerting.delivery.retry_policy import ATTEMPTS_MAX, retry_delay
from alerting.incidents.hand_overs import hand_over_messages
from alerting.incidents.incident_state import (
    TICK,
    IncidentInput,
    IncidentPhase,
    IncidentState,
    MessageOutcome,
    NotificationRequest,
    Recipient,
    UnreachableStep,
)
from alerting.incidents.journal import JournalChange, JournalContent, PartitionKey
from alerting.messages.alarm_end import with_known_end
from alerting.messages.channel_fit import answerable_occurrences
from alerting.messages.digest_text import compose_digest
from alerting.messages.message_text import compose_message
from alerting.messages.outgoing_message import (
    DOUBTFUL_DETAIL,
    NOT_SENT_DETAIL,
    AttemptKey,
    AttemptResult,
    MessageState,
    OutgoingMessage,
)
from alerting.monitoring.watchdog_notice import REPEAT_EVERY, watchdog_notice
from alerting.policy.escalation import is_still_relevant, next_due, next_state, open_incident
from alerting.policy.hand_over import changed_turns, next_turn_check
from alerting.policy.notification_policy import DutyContext
from alerting.policy.routing import match_route
from alerting.policy.storm_limit import (
    RecipientTraffic,
    delivery_priority,
    divide_due,
    hold_time,
    next_delivery,
)
from twin.alarms.messages import AlarmBatch, AlarmEvent
from twin.instant import DAY, Duration, Instant
from twin.model.city_model import CityModel
from twin.model.duty import NotificationChannel
from twin.wire.duty_messages import DutyCommand

INCIDENT_RETENTION: Duration = 7 * DAY
"""How long closed incidents and ended messages are kept, so that a repeated input has no effect."""

ALARM_RETENTION: Duration = DAY
"""How long an alarm that is over is kept: the recovery message of its incident may name it."""

STEPS_AT_ONCE_MAX = 100
"""The most steps of one incident at one time; the rest follows at the next check."""


TRIED_AGAIN = "the messages in it are tried again"
"""The detail of a digest that failed."""

AttemptOutcome: TypeAlias = Literal["sent", "failed", "given-up", "withdrawn"]


class IncidentManager:
    """Owned by one task."""

    def __init__(self, content: JournalContent, model: CityModel) -> None:
        self.model = model
        self.unreachable_steps = 0  #: steps that had nobody to notify
        self._content = content
        self._change = JournalChange()
        self._due: dict[str, Instant] = {}
        self._turn_check: Instant | None = 0  #: when the turns of duty are compared with the plan again
        self._by_incident: defaultdict[str, set[str]] = defaultdict(set)
        for id, message in content.messages.items():
            self._by_incident[message.request.incident].add(id)
        self._schedule_all()

    def take_change(self) -> JournalChange:
        """Return what the journal must write, and begin the next change."""
        change, self._change = self._change, JournalChange()
        return change

    @property
    def log(self) -> str:
        """The identity of the log that the positions belong to; empty to read a log from its beginning."""
        return self._content.log

    def position(self, partition: PartitionKey) -> int:
        """Return the next offset to read; 0 where nothing was read."""
        return self._content.positions.get(partition, 0)

    @property
    def incidents(self) -> Iterable[IncidentState]:
        """All incidents, including closed ones."""
        return self._content.incidents.values()

    @property
    def pending_messages(self) -> int:
        """The number of messages without an outcome."""
        return len(self._content.messages)

    # -- inputs -----------------------------------------------------------------------------------------

    def reset_log(self) -> None:
        """Forget the positions, since another log is read; until `set_log`, a restart begins it again."""
        self._content.log, self._content.positions = "", {}
        self._change.log, self._change.positions = "", {}

    def set_log(self, log: str) -> None:
        """Set the log that the positions belong to; the alarms of the log before it are known now."""
        self._content.log = self._change.log = log
        self._change.positions = dict(self._content.positions)

    def advance_position(self, partition: PartitionKey, next_offset: int) -> None:
        """Store the next offset to read of a partition."""
        self._content.positions[partition] = self._change.positions[partition] = next_offset

    def on_alarm_batch(self, batch: AlarmBatch, now: Instant) -> None:
        """Apply the alarms and incidents of a record; ignore revisions that are not newer."""
        for alarm in batch.alarms:
            known = self._content.alarms.get(alarm.alarm)
            if known is None or alarm.revision > known.revision:
                event = with_known_end(alarm, known)
                self._content.alarms[alarm.alarm] = self._change.alarms[alarm.alarm] = event
        context = DutyContext(self.model, now)
        for incident in batch.incidents:
            state = self._content.incidents.get(incident.incident)
            if state is not None:
                self._apply(state, incident, context)
            elif (opened := open_incident(incident, context)) is not None:
                self._put(self._joined(opened))

    def on_command(self, command: DutyCommand, now: Instant) -> None:
        """Apply a person's command; ignore it for an unknown incident."""
        state = self._content.incidents.get(command.incident)
        if state is not None:
            self._apply(state, command, DutyContext(self.model, now))

    def on_model(self, model: CityModel, now: Instant) -> None:
        """Continue with another duty plan, and route the unrouted incidents again."""
        self.model = model
        self._turn_check = 0
        self._schedule_all()
        for state in list(self._content.incidents.values()):
            if state.phase is IncidentPhase.UNROUTED:
                self._apply(state, TICK, DutyContext(model, now))

    def advance_to(self, now: Instant) -> None:
        """Take the steps that are due, in the order in which they fell due, after the hand-overs."""
        if self._turn_check is not None and self._turn_check <= now:
            self._hand_over(now)
        context = DutyContext(self.model, now)
        for _ in range(STEPS_AT_ONCE_MAX):
            due = sorted((time, id) for id, time in self._due.items() if time <= now)
            if not due:
                return
            for _, id in due:
                self._apply(self._content.incidents[id], TICK, context)

    def next_due(self) -> Instant | None:
        """Return when a step, a hand-over or an attempt is due next."""
        times = list(self._due.values())
        times += [self._turn_check] if self._turn_check is not None else []
        for recipient, waiting in self._waiting().items():
            at = next_delivery(waiting, self._traffic(recipient), self.model.duty.storm)
            times += [at] if at is not None else []
        return min(times, default=None)

    def _hand_over(self, now: Instant) -> None:
        """Tell each contact whose duty has begun since the last check, and forget turns that nobody tells."""
        content, change, plan = self._content, self._change, self.model.duty
        told = {team.id for team in plan.teams if team.hand_over}
        for team in [team for team in content.turns if team not in told]:
            del content.turns[team]
            change.turns.pop(team, None)
            change.dropped_turns.append(team)
        for changed in changed_turns(plan, content.turns, now):
            team = changed.team.id
            content.turns[team] = change.turns[team] = changed.turn
            for id in sorted(self._by_incident[""]):
                message = content.messages[id]
                if message.state is MessageState.WAITING and not self._is_still_relevant(message):
                    self._end(message, now, "withdrawn")
            for message in hand_over_messages(
                changed, content.incidents.values(), content.alarms, self.model, now
            ):
                self._keep(message)
        self._turn_check = next_turn_check(plan, content.turns, now)

    # -- messages ---------------------------------------------------------------------------------------

    def due_messages(self, now: Instant) -> list[OutgoingMessage]:
        """Return the messages with a due attempt, the worst first, of those the oldest.

        Some are digests of others, which exist only once their attempt begins; the storm limit holds more.
        """
        due: list[OutgoingMessage] = []
        limit, incidents = self.model.duty.storm, self._content.incidents
        for recipient, waiting in self._waiting().items():
            ids = {one.request.incident for one in waiting}
            areas = {id: incidents[id].incident.area for id in ids if id in incidents}
            for part in divide_due(waiting, self._traffic(recipient), limit, areas, now):
                due.append(part[0] if len(part) == 1 else compose_digest(part, now))
        return sorted(due, key=delivery_priority)

    def begin_attempt(self, message: OutgoingMessage, now: Instant) -> OutgoingMessage:
        """Return the message as it is being sent; sending may begin once the change is written."""
        for part in message.parts:
            self._begin(self._content.messages[part.notification], now, message.id)
        message = self._begin(message, now)
        if self.model.duty.storm.messages:
            recipient = message.recipient
            traffic = self._traffic(recipient).with_message(message, now, self.model.duty.storm.within)
            self._set_traffic(recipient, traffic)
        return message

    def end_attempt(self, result: AttemptResult, now: Instant) -> AttemptOutcome:
        """Apply the result of an attempt; return the outcome of the message.

        All messages in a digest get its result. Those that are tried again are alone, or in another digest.
        """
        message = self._content.messages[result.id]
        if not (result.sent or result.doubtful):
            traffic = self._traffic(message.recipient)
            self._set_traffic(message.recipient, traffic.without(message.id))
        if not message.parts:
            return self._end_attempt(message, result, now)
        if result.sent:
            outcome: AttemptOutcome = "sent"
        else:
            outcome = "given-up" if result.final or result.doubtful else "failed"
        detail = f"{result.detail}; {TRIED_AGAIN}" if outcome == "failed" else result.detail
        self._end(message, now, "withdrawn" if outcome == "failed" else outcome, detail)
        for part in message.parts:
            self._end_attempt(self._content.messages[part.notification], result, now)
        return outcome

    def _end_attempt(self, message: OutgoingMessage, result: AttemptResult, now: Instant) -> AttemptOutcome:
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
        if message.covered_by:
            self._end(message, now, "withdrawn", f"{result.detail}; covered by {message.covered_by}")
            if message.covered_by in self._content.messages:
                self._replace_pending(message, message.covered_by)
            return "withdrawn"
        due = now + retry_delay(message.attempt)
        waiting = message.as_waiting(due, due + self.model.duty.storm.digest)
        self._keep(waiting)
        event = replace(waiting, digest=message.digest).to_event("failed", now, result.detail)
        self._change.events.append(event)
        return "failed"

    def _begin(self, message: OutgoingMessage, now: Instant, digest: str = "") -> OutgoingMessage:
        # A message in a digest has no code of its own.
        answerable = frozenset() if digest else answerable_occurrences(message, self._channel(message))
        message = message.as_sending(now, digest, answerable)
        self._keep(message)
        self._change.events.append(message.to_event("sending", now))
        return message

    def _channel(self, message: OutgoingMessage) -> NotificationChannel | None:
        channels = (one for one in self.model.duty.channels if one.id == message.request.channel)
        return next(channels, None)

    def _waiting(self) -> dict[Recipient, list[OutgoingMessage]]:
        """Return the waiting messages of each recipient, without those whose incident is over for now."""
        waiting: defaultdict[Recipient, list[OutgoingMessage]] = defaultdict(list)
        for message in self._content.messages.values():
            if message.state is MessageState.WAITING and self._is_still_relevant(message):
                waiting[message.recipient].append(message)
        return waiting

    def _traffic(self, recipient: Recipient) -> RecipientTraffic:
        return self._content.traffic.get("~".join(recipient), RecipientTraffic())

    def _set_traffic(self, recipient: Recipient, traffic: RecipientTraffic) -> None:
        key = "~".join(recipient)
        if traffic != self._content.traffic.get(key, RecipientTraffic()):
            self._content.traffic[key] = self._change.traffic[key] = traffic

    def resolve_doubtful(self, now: Instant, unsent: Collection[AttemptKey] = ()) -> int:
        """Give up the messages that were being sent when the process died; return their number.

        They are not sent again, since the contact may have them. Their step counts as not having reached
        anybody. The attempts that this process knows to be `unsent` failed: they are made again.
        """
        for message in self._being_sent():
            if message.attempt_key in unsent:
                self.end_attempt(AttemptResult(message.id, False, NOT_SENT_DETAIL), now)
        doubtful = self._being_sent()
        for message in doubtful:
            self._end(message, now, "given-up", DOUBTFUL_DETAIL, doubtful=True)
        return len(doubtful)

    def _being_sent(self) -> list[OutgoingMessage]:
        return [one for one in self._content.messages.values() if one.state is MessageState.SENDING]

    def notify_outage(self, since: Instant, now: Instant) -> None:
        """Notify the watchdog's contact that the path from sensors is closed; repeat it after a while."""
        known = self._content.outage
        since, count = known if known is not None else (since, 0)
        if now < since + count * REPEAT_EVERY:
            return
        self._content.outage = self._change.outage = (since, count + 1)
        message = watchdog_notice(self.model, "closed", since, count, now)
        if message is not None:
            self._keep(message)

    def notify_outage_end(self, now: Instant) -> None:
        """Notify the watchdog's contact that the path is open again, if it was notified of the outage."""
        if self._content.outage is None:
            return
        since, count = self._content.outage
        self._content.outage, self._change.outage = None, (0, 0)
        message = watchdog_notice(self.model, "open", since, count, now)
        if message is not None:
            self._keep(message)

    def prune(self, now: Instant) -> None:
        """Remove incidents, alarms and messages beyond their retention."""
        content, change = self._content, self._change
        for id, state in list(content.incidents.items()):
            closed = state.incident.closed_time
            is_old = (closed or 0) < now - INCIDENT_RETENTION
            if state.phase is IncidentPhase.CLOSED and state.due is None and is_old:
                del content.incidents[id]
                change.dropped_incidents.append(id)
        for id, alarm in list(content.alarms.items()):
            if not alarm.active and alarm.told_time < now - ALARM_RETENTION:
                del content.alarms[id]
                change.dropped_alarms.append(id)
        change.drop_messages_before = now - INCIDENT_RETENTION
        for key, traffic in list(content.traffic.items()):
            if not traffic.since(now - INCIDENT_RETENTION):
                del content.traffic[key]
                change.dropped_traffic.append(key)

    # -- internal ---------------------------------------------------------------------------------------

    def _apply(self, state: IncidentState, input: IncidentInput, context: DutyContext) -> None:
        after, decisions = next_state(state, input, context)
        if after is state:
            return
        after = self._with_kept_messages(state, after)
        self._put(after)
        for decision in decisions:
            match decision:
                case NotificationRequest():
                    self._add_message(state, after, decision)
                case UnreachableStep():
                    self.unreachable_steps += 1
        for id in sorted(self._by_incident[state.id]):
            message = self._content.messages[id]
            if message.state is not MessageState.WAITING or self._is_still_relevant(message):
                continue
            if not self._may_return(message):
                self._end(message, context.now, "withdrawn")

    def _may_return(self, message: OutgoingMessage) -> bool:
        """Whether a message without an attempt is kept while its incident is over, perhaps for a moment.

        An incident that comes and goes must not postpone a message that waits for its digest.
        """
        state = self._content.incidents[message.request.incident]
        is_flapping = state.phase is IncidentPhase.CLOSED and state.resume is not None
        is_of_step = state.due is not None and message.id in state.pending_messages
        return is_flapping and is_of_step and not message.attempt

    def _with_kept_messages(self, before: IncidentState, after: IncidentState) -> IncidentState:
        """Return the state after an incident has returned, whose step still waits for its messages if any."""
        if before.phase is not IncidentPhase.CLOSED or before.resume is None or after.resume is not None:
            return after
        messages = self._content.messages
        kept = tuple(id for id in before.pending_messages if id in messages and not messages[id].attempt)
        if not kept or after.phase is IncidentPhase.CLOSED:
            return after
        return replace(after, pending_messages=kept, due=before.resume[1])

    def _add_message(self, before: IncidentState, state: IncidentState, request: NotificationRequest) -> None:
        contacts = {contact.id: contact for contact in self.model.duty.contacts}
        language = contacts[request.contact].language if request.contact in contacts else "nl"
        alarms = self._alarms_of(state)
        text = compose_message(
            request.kind, state, before, language=language, alarms=alarms, model=self.model
        )
        told = frozenset(
            occurrence_digest(alarms[member.alarm]) for member in state.open_members if member.alarm in alarms
        )
        due = request.due_time
        pause = state.due - due if state.due is not None and state.due > due else None
        held_until = due + hold_time(self.model.duty.storm, pause)
        message = OutgoingMessage(
            request=request, text=text, due=due, held_until=held_until, occurrences=told
        )
        self._keep(self._withdraw_covered(message))

    def _withdraw_covered(self, newer: OutgoingMessage) -> OutgoingMessage:
        """Withdraw the waiting messages to the same recipient that a newer one of their incident covers.

        Return the newer one: it does not wait longer for a digest than the first of them would have.
        """
        request = newer.request
        for id in sorted(self._by_incident[request.incident]):
            older = self._content.messages[id]
            is_same = older.recipient == newer.recipient
            if id == newer.id or not is_same:
                continue
            if older.state is not MessageState.WAITING:
                self._keep(replace(older, covered_by=newer.id))
                continue
            if not older.attempt:
                newer = replace(newer, held_until=min(newer.held_until, older.held_until))
            self._end(older, request.due_time, "withdrawn", f"covered by {newer.id}")
            self._replace_pending(older, newer.id)
        return newer

    def _replace_pending(self, older: OutgoingMessage, newer: str) -> None:
        """Let the newer message stand for the older one: with it the step has reached somebody."""
        state = self._content.incidents[older.request.incident]
        if older.id in state.pending_messages:
            pending = (newer if one == older.id else one for one in state.pending_messages)
            self._put(replace(state, pending_messages=tuple(dict.fromkeys(pending))))

    def _joined(self, opened: IncidentState) -> IncidentState:
        """Return a new incident that is due together with others that were not sent yet, if that is earlier.

        They belong to one team and policy, and by the plan they share a message.
        """
        route, group = match_route(opened, self.model), self.model.duty.storm.group
        if opened.phase is not IncidentPhase.ESCALATING or opened.due is None or group == "incident":
            return opened
        due = (
            other.due
            for other in self._content.incidents.values()
            if other.phase is IncidentPhase.ESCALATING
            and other.last_notified is None
            and other.due is not None
            and (group == "all" or other.incident.area == opened.incident.area)
            and match_route(other, self.model) == route
        )
        return replace(opened, due=min([opened.due, *due]))

    def _alarms_of(self, state: IncidentState) -> dict[str, AlarmEvent]:
        alarms = self._content.alarms
        ids = [member.alarm for member in state.incident.members]
        return {id: alarms[id] for id in ids if id in alarms}

    def _put(self, state: IncidentState) -> None:
        self._content.incidents[state.id] = self._change.incidents[state.id] = state
        self._schedule(state)

    def _schedule_all(self) -> None:
        self._due = {}
        for state in self._content.incidents.values():
            self._schedule(state)

    def _schedule(self, state: IncidentState) -> None:
        due = next_due(state, self.model)
        if due is not None:
            self._due[state.id] = due
        else:
            self._due.pop(state.id, None)

    def _is_still_relevant(self, message: OutgoingMessage) -> bool:
        if message.hand_over is not None:
            turn = self._content.turns.get(message.hand_over.team)
            return turn is not None and turn.since == message.hand_over.since
        state = self._content.incidents.get(message.request.incident)
        return state is None or is_still_relevant(state, message.request.kind)

    def _keep(self, message: OutgoingMessage) -> None:
        self._content.messages[message.id] = self._change.messages[message.id] = message
        self._by_incident[message.request.incident].add(message.id)

    def _end(
        self,
        message: OutgoingMessage,
        now: Instant,
        outcome: AttemptOutcome,
        detail: str = "",
        *,
        doubtful: bool = False,
    ) -> None:
        request, message = message.request, message.as_ended()
        self._content.messages.pop(message.id)
        self._by_incident[request.incident].discard(message.id)
        self._change.messages[message.id] = message
        self._change.ended[message.id] = now
        self._change.events.append(message.to_event(outcome, now, detail))
        if message.hand_over is not None and outcome == "sent":
            self._on_hand_over_sent(message, now)
        state = self._content.incidents.get(request.incident)
        if state is None:
            return
        if outcome in {"sent", "given-up"}:
            result = MessageOutcome(request, "doubtful" if doubtful else outcome)
            self._apply(state, result, DutyContext(self.model, now))
        elif request.kind == "recovery" and state.phase is not IncidentPhase.CLOSED:
            # The incident has returned: its recipient is still to be told when it is over.
            notified = tuple(dict.fromkeys((*state.notified, message.recipient)))
            self._put(replace(state, notified=notified))

    def _on_hand_over_sent(self, message: OutgoingMessage, now: Instant) -> None:
        """Count the contact among those who were notified of the incidents that a hand-over told of.

        So they also get what changes, and that it is over.
        """
        summary = message.hand_over
        for line in summary.lines if summary is not None else ():
            state = self._content.incidents.get(line.incident)
            if state is not None:
                request = message.request._replace(incident=line.incident)
                self._apply(state, MessageOutcome(request, "sent"), DutyContext(self.model, now))
