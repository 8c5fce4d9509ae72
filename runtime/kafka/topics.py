"""The topics of the log: their names, their partitions, and their creation."""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from runtime.kafka.access import Kafka
from runtime.kafka.admin import administer
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
DUTY_JOURNAL = "duty-journal"  #: the journal of the alerting that works, for its standby; one partition
OUTLETS_LEASE = "outlets-lease"  #: which outlets work; one partition

CREATE_TIMEOUT_S = 30.0


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

    async def create_missing(client: AIOKafkaAdminClient) -> None:
        # Another process may create a topic at the same time: the next attempt checks all of them again.
        existing = {topic["topic"]: len(topic["partitions"]) for topic in await client.describe_topics()}
        _check_counts(kafka, topics, existing)
        missing = [
            NewTopic(name=name, num_partitions=count, replication_factor=replicas)
            for name, count in topics.items()
            if name not in existing
        ]
        if missing:
            await client.create_topics(missing)

    purpose = f"create the topics {', '.join(topics)}"
    await administer(kafka, create_missing, purpose=purpose, timeout_s=CREATE_TIMEOUT_S)


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
