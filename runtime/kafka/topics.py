"""The topics of the log: their names, their partitions, and their creation."""

from __future__ import annotations

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError

from runtime.cancellation import raise_if_cancelled
from runtime.kafka.access import Kafka, client_options
from twin.errors import ServiceError

OBSERVATIONS = "observations"
UPDATES = "updates"
AGGREGATES = "aggregates"  #: windows, quality checks and repair requests of the entities of a partition
AREA_INPUTS = "area-inputs"  #: outputs of entities for the areas of a partition; not stored
ALARM_INPUTS = "alarm-inputs"  #: inputs of alarms, commands included; not stored
ALARMS = "alarms"  #: events of the alarms of the entities of a partition, and of incidents
DUTY_COMMANDS = "duty-commands"  #: commands of people to the duty loop; one partition
NOTIFICATIONS = "notifications"  #: results of messages to people; one partition
QUARANTINE = "quarantine"
REPLAYS = "replays"  #: requests to replay quarantined messages; one partition
STORED = "stored"  #: positions up to which the historian stored the log; one partition

CREATE_TIMEOUT_S = 30.0
_PAUSE_S = 0.1


def partition_counts(partitions: int) -> dict[str, int]:
    """Return the number of partitions of each topic; rare records keep one order in one partition."""
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
    """Create the missing ones of `topics` (name → partitions), with the replicas that `kafka` configures.

    Existing topics stay as they are.

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
            # Another process may have created a topic meanwhile: check all of them again.
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
    """Raise ServiceError when a topic has another number of partitions: entities would change partition."""
    wrong = [
        f"`{name}` has {existing[name]} partitions instead of {count}"
        for name, count in wanted.items()
        if existing.get(name, count) not in (count, 0)  # 0: just created, without a leader yet
    ]
    if wrong:
        raise ServiceError(
            f"the topics at Kafka {kafka} do not match LIVETWIN_PARTITIONS: {', '.join(wrong)}; "
            "set it to the number that the topics were created with, or use another log "
            "(docs/upgrade.md)"
        )
