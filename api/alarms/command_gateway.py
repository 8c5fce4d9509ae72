"""Writes the commands of operators to the log, and waits for the replies of the alarm stage.

Commands are idempotent by their id: the stage executes each once, so a repeated request does no harm. It
replies only to the first; the reply is kept here, and one that this process missed is looked up in the
stored events.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, NamedTuple, TypeAlias

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from api.http.problems import unavailable
from api.metrics import ApiMetrics
from runtime.kafka.access import Kafka, client_options
from runtime.kafka.topics import ALARM_INPUTS as ALARM_INPUTS_TOPIC
from runtime.kafka.topics import DUTY_COMMANDS as DUTY_COMMANDS_TOPIC
from twin.alarms.messages import ALARM_INPUTS, AlarmBatch, AlarmCommand, AlarmInputBatch
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.duty_messages import DUTY_COMMANDS, DutyCommand, DutyCommandBatch
from twin.wire.messages import partition_of

log = logging.getLogger(__name__)

# The alarm stage answers within some tens of milliseconds; while a worker is replaced it takes seconds, and
# the client gets 202 and looks at the alarm's events later.
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
    """The outcome of a command."""

    outcome: CommandOutcome
    refusal: str = ""  #: why it was refused


class _Record(NamedTuple):
    topic: str
    partition: int
    value: bytes


IsCommandStored = Callable[[str, str], Awaitable[bool]]
"""Whether it is stored that a command (its alarm, its id) was done; False when that is not known."""


def command_id(actor: str, about: str, action: str, key: str) -> str:
    """Return the id of a command: equal for the same action with the same Idempotency-Key, else a new one.

    >>> command_id("operator", "high-water~canal", "comment", "1")
    'bcbc434d82ed0c255ae0f97cece70323'
    """
    if not key:
        return uuid.uuid4().hex
    return hashlib.sha256("\0".join((actor, about, action, key)).encode()).hexdigest()[:32]


class CommandGateway:
    """Sends the commands of this process, and receives the replies to those of all processes."""

    def __init__(
        self,
        kafka: Kafka,
        partitions: int,
        metrics: ApiMetrics,
        is_command_stored: IsCommandStored,
        *,
        answer_wait_s: float = ANSWER_WAIT_S,
    ) -> None:
        self.answer_wait_s = answer_wait_s
        self._kafka = kafka
        self._partitions = partitions
        self._metrics = metrics
        self._is_command_stored = is_command_stored
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._results: OrderedDict[str, CommandResult] = OrderedDict()

    def on_alarms(self, batch: AlarmBatch) -> None:
        """Process the replies in a record of `alarms`."""
        for answer in batch.replies:
            self._results[answer.command] = (
                CommandResult("refused", answer.refusal) if answer.refusal else CommandResult("done")
            )
            waiting = self._waiting.get(answer.command)
            if waiting is not None and not waiting.done():
                waiting.set_result(None)
        while len(self._results) > ANSWERS_MAX:
            self._results.popitem(last=False)

    async def send_command(self, command: AlarmCommand) -> CommandResult:
        """Send a command to the alarm stage and return its outcome; raise as `send_commands`."""
        [result] = await self.send_commands([command])
        return result

    async def send_commands(self, commands: Sequence[AlarmCommand]) -> list[CommandResult]:
        """Send commands to the alarm stage, and return their outcomes in the same order.

        A command without a reply in time is unanswered. Raises a problem (503) when the log does not confirm
        the commands: they may be sent again with the same ids.
        """
        unknown = [command for command in commands if command.id not in self._results]
        if len(self._waiting) + len(unknown) > WAITING_MAX:
            raise unavailable(
                f"{WAITING_MAX} commands wait for an answer already; try again later.", RETRY_AFTER_S
            )
        new = asyncio.get_running_loop().create_future
        waiting = {command.id: self._waiting.setdefault(command.id, new()) for command in unknown}
        try:
            await self._send(self._records(unknown))
            if waiting:
                await asyncio.wait(waiting.values(), timeout=self.answer_wait_s)
            results = [await self._result(command) for command in commands]
        finally:
            for id in waiting:
                self._waiting.pop(id, None)
        for result in results:
            self._metrics.commands.labels(result.outcome).inc()
        return results

    async def send_duty_command(self, command: DutyCommand) -> None:
        """Send a command to the duty loop, without waiting for an outcome; raise as `send_command`."""
        batch = DutyCommandBatch(LAYOUT_VERSION, (command,))
        await self._send([_Record(DUTY_COMMANDS_TOPIC, 0, DUTY_COMMANDS.encode(batch))])

    async def close(self) -> None:
        """Stop the producer."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    def _records(self, commands: Sequence[AlarmCommand]) -> list[_Record]:
        records = []
        by_partition: defaultdict[int, list[AlarmCommand]] = defaultdict(list)
        for command in commands:
            by_partition[partition_of(command.entity, self._partitions)].append(command)
        for partition, group in by_partition.items():
            for start in range(0, len(group), RECORD_COMMANDS_MAX):
                part = tuple(group[start : start + RECORD_COMMANDS_MAX])
                batch = AlarmInputBatch(LAYOUT_VERSION, part[-1].time, False, commands=part)
                records.append(_Record(ALARM_INPUTS_TOPIC, partition, ALARM_INPUTS.encode(batch)))
        return records

    async def _result(self, command: AlarmCommand) -> CommandResult:
        result = self._results.get(command.id)
        if result is not None:
            return result
        if await self._is_command_stored(command.alarm, command.id):
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
            log.warning(
                "the log did not confirm a command: %r", error, extra={"event": "api.command_unconfirmed"}
            )
            raise unavailable(
                "The log did not confirm the command, and may or may not have stored it. Send it again with "
                "the same Idempotency-Key: it is done once.",
                RETRY_AFTER_S,
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
