"""The desk for commands: puts what people want onto the log, and waits for what the stage of alarms answers.

Commands are idempotent by their id: the stage takes each once, so that a repeated request does no harm. It
answers only the first; what it answered then is remembered here, and where this process was not there to hear
it, the events that are stored tell it.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Literal, NamedTuple, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from api.http.problems import ProblemError
from api.metrics import ApiMetrics
from runtime.kafka.access import Kafka, client_options
from runtime.kafka.topics import ALARM_INPUTS as ALARM_INPUTS_TOPIC
from runtime.kafka.topics import DUTY_COMMANDS as DUTY_COMMANDS_TOPIC
from twin.alarms.messages import ALARM_INPUTS, AlarmBatch, AlarmCommand, AlarmInputBatch
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.duty_messages import DUTY_COMMANDS, DutyCommand, DutyCommandBatch
from twin.wire.messages import partition_of

log = logging.getLogger(__name__)

# The stage answers within some tens of milliseconds; while a worker is replaced it takes seconds, and whoever
# asks is told to look again.
ANSWER_WAIT_S = 5.0
CONFIRM_WAIT_S = 5.0
REQUEST_TIMEOUT_MS = 4_000
RETRY_AFTER_S = 5

# Answers of the last commands, some 200 bytes each.
ANSWERS_MAX = 10_000
# Commands that wait for an answer at one time.
WAITING_MAX = 2_000
# A command is at most some 3 kB; a record is less than 1 MiB.
RECORD_COMMANDS_MAX = 100

CommandOutcome: TypeAlias = Literal["done", "refused", "unanswered"]


class CommandResult(NamedTuple):
    """What became of a command."""

    outcome: CommandOutcome
    refusal: str = ""  #: why it was refused


class _Record(NamedTuple):
    topic: str
    partition: int
    value: bytes


IsCommandStored = Callable[[str, str], Awaitable[bool]]
"""Whether it is stored that a command (its alarm, its id) was done; False where nobody can say."""


def command_id(actor: str, about: str, action: str, key: str) -> str:
    """Return the id of a command: the same for the same action with the same Idempotency-Key, else a new one.

    >>> command_id("operator", "high-water~canal", "comment", "1")
    'bcbc434d82ed0c255ae0f97cece70323'
    """
    if not key:
        return uuid.uuid4().hex
    return hashlib.sha256("\0".join((actor, about, action, key)).encode()).hexdigest()[:32]


class CommandGateway:
    """Sends commands of this process, and hears the answers to everybody's."""

    def __init__(
        self, kafka: Kafka, partitions: int, metrics: ApiMetrics, is_command_stored: IsCommandStored
    ) -> None:
        self._kafka = kafka
        self._partitions = partitions
        self._metrics = metrics
        self._done_before = is_command_stored
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._answered: OrderedDict[str, CommandResult] = OrderedDict()

    def on_alarms(self, batch: AlarmBatch) -> None:
        """Take in the answers of a record of `alarms`."""
        for answer in batch.replies:
            self._answered[answer.command] = (
                CommandResult("refused", answer.refusal) if answer.refusal else CommandResult("done")
            )
            waiting = self._waiting.get(answer.command)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
        while len(self._answered) > ANSWERS_MAX:
            self._answered.popitem(last=False)

    async def send_command(self, command: AlarmCommand) -> CommandResult:
        """Give a command to the alarm's stage, and return what became of it; raise as `send_commands`."""
        [reply] = await self.send_commands([command])
        return reply

    async def send_commands(self, commands: Sequence[AlarmCommand]) -> list[CommandResult]:
        """Give commands to the stages of their alarms, and return what became of each, in the same order.

        Of some nobody may have said so in time. Raises a problem (503) when the log does not confirm them:
        then they may be sent again, with the same ids.
        """
        wanted = [one for one in commands if one.id not in self._answered]
        if len(self._waiting) + len(wanted) > WAITING_MAX:
            raise _busy()
        new = asyncio.get_running_loop().create_future
        waiting = {one.id: self._waiting.setdefault(one.id, new()) for one in wanted}
        try:
            await self._send(self._records(wanted))
            if waiting:
                await asyncio.wait(waiting.values(), timeout=ANSWER_WAIT_S)
            replies = [await self._reply(one) for one in commands]
        finally:
            for id in waiting:
                self._waiting.pop(id, None)
        for one in replies:
            self._metrics.commands.labels(one.outcome).inc()
        return replies

    async def send_duty_command(self, command: DutyCommand) -> None:
        """Give a command to the duty loop, which takes it up in its own time; raise as `send_command`."""
        batch = DutyCommandBatch(LAYOUT_VERSION, (command,))
        await self._send([_Record(DUTY_COMMANDS_TOPIC, 0, DUTY_COMMANDS.encode(batch))])

    async def close(self) -> None:
        """Send nothing more."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    def _records(self, commands: Sequence[AlarmCommand]) -> list[_Record]:
        records = []
        by_partition: defaultdict[int, list[AlarmCommand]] = defaultdict(list)
        for one in commands:
            by_partition[partition_of(one.entity, self._partitions)].append(one)
        for partition, found in by_partition.items():
            for start in range(0, len(found), RECORD_COMMANDS_MAX):
                part = tuple(found[start : start + RECORD_COMMANDS_MAX])
                batch = AlarmInputBatch(LAYOUT_VERSION, part[-1].time, False, commands=part)
                records.append(_Record(ALARM_INPUTS_TOPIC, partition, ALARM_INPUTS.encode(batch)))
        return records

    async def _reply(self, command: AlarmCommand) -> CommandResult:
        known = self._answered.get(command.id)
        if known is not None:
            return known
        if await self._done_before(command.alarm, command.id):
            return CommandResult("done")
        return CommandResult("unanswered")

    async def _send(self, records: Sequence[_Record]) -> None:
        try:
            async with asyncio.timeout(CONFIRM_WAIT_S):
                for topic, partition, value in records:
                    producer = await self._started()
                    await producer.send_and_wait(topic, value, partition=partition)
        except (KafkaError, OSError, TimeoutError) as error:
            self._metrics.commands.labels("unsent").inc()
            log.warning("a command was not confirmed by the log: %r", error)
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "The log does not confirm the command just now; whether it was taken is not certain. Send it "
                "again with the same Idempotency-Key: it is done once.",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            ) from error

    async def _started(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **client_options(self._kafka),
                    acks="all",
                    linger_ms=0,
                    request_timeout_ms=REQUEST_TIMEOUT_MS,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer


def _busy() -> ProblemError:
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"{WAITING_MAX} commands wait for an answer already; try again later.",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )
