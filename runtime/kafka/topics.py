"""The topics of the log: their names, and their creation."""

from __future__ import annotations

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from runtime.cancellation import raise_if_cancelled
from runtime.kafka.access import Kafka, client_options
from twin.errors import ServiceError

OBSERVATIONS = "observations"
UPDATES = "updates"
AGGREGATES = "aggregates"  #: windows, judgements and repair requests of the entities of a partition
AREA_INPUTS = "area-inputs"  #: what entities tell the areas of a partition; nobody stores it
ALARM_INPUTS = "alarm-inputs"  #: what alarms follow from, commands too; nobody stores it
ALARMS = "alarms"  #: what happened to the alarms of the entities of a partition, and to incidents
DUTY_COMMANDS = "duty-commands"  #: what people want of the duty loop; one partition
NOTIFICATIONS = "notifications"  #: what became of messages to people; one partition
QUARANTINE = "quarantine"
REPLAYS = "replays"  #: quarantined messages that ingest shall take once more; one partition
STORED = "stored"  #: how far the historian has stored the log; one partition

CREATE_TIMEOUT_S = 30.0
_PAUSE_S = 0.1


def partition_counts(partitions: int) -> dict[str, int]:
    """Return how many partitions each topic has; what is rare keeps one order."""
    return {
        OBSERVATIONS: partitions,
        UPDATES: partitions,
        AGGREGATES: partitions,
        AREA_INPUTS: partitions,
        ALARM_INPUTS: partitions,
        ALARMS: partitions,
        DUTY_COMMANDS: 1,
        NOTIFICATIONS: 1,
        QUARANTINE: 1,
        REPLAYS: 1,
        STORED: 1,
    }


async def create_topics(kafka: Kafka, topics: dict[str, int]) -> None:
    """Create what is missing of `topics` (name → partitions), with as many replicas as `kafka` says.

    What exists stays as it is.

    Raises ServiceError when one exists with another number of partitions, or Kafka does not answer in time.
    """
    replicas = 1 if isinstance(kafka, str) else kafka.replicas
    loop = asyncio.get_running_loop()
    deadline = loop.time() + CREATE_TIMEOUT_S
    while True:
        admin = AIOKafkaAdminClient(**client_options(kafka))
        try:
            await admin.start()
            existing = {one["topic"]: len(one["partitions"]) for one in await admin.describe_topics()}
            _check_counts(kafka, topics, existing)
            missing = [
                NewTopic(name=name, num_partitions=count, replication_factor=replicas)
                for name, count in topics.items()
                if name not in existing
            ]
            if missing:
                await admin.create_topics(missing)
            return
        except (KafkaError, OSError) as error:
            # A topic that another process has made meanwhile is looked at once more.
            if loop.time() > deadline:
                raise ServiceError(
                    f"Kafka at {kafka} did not create the topics {', '.join(topics)} within "
                    f"{CREATE_TIMEOUT_S:.0f} s ({error!r}); is it running and reachable?"
                ) from error
            if not isinstance(error, TopicAlreadyExistsError):
                await asyncio.sleep(_PAUSE_S)
        finally:
            await admin.close()
            raise_if_cancelled()


def _check_counts(kafka: Kafka, wanted: dict[str, int], existing: dict[str, int]) -> None:
    """Raise ServiceError when a topic has another number of partitions: entities would be in wrong ones."""
    wrong = [
        f"`{name}` has {existing[name]} partitions instead of {count}"
        for name, count in wanted.items()
        if existing.get(name, count) not in (count, 0)  # 0: made a moment ago, nobody leads it yet
    ]
    if wrong:
        raise ServiceError(
            f"the topics at Kafka {kafka} are not those of LIVETWIN_PARTITIONS: {', '.join(wrong)}; "
            "give every role the number that the topics were made with, or use another log "
            "(docs/upgrade.md)"
        )
