"""The rights of each role at Kafka, declared in one place; `livetwin topics` puts them into effect.

Each role has an account of its own there. A right is here because the role needs it for its work. The roles
of the last release must be able to work with these rights, too, since they may still run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from runtime.kafka.topics import (
    AGGREGATES,
    ALARM_INPUTS,
    ALARMS,
    AREA_INPUTS,
    DUTY_COMMANDS,
    DUTY_JOURNAL,
    NOTIFICATIONS,
    OBSERVATIONS,
    OUTLETS_LEASE,
    QUARANTINE,
    REPLAYS,
    STORED,
    UPDATES,
    partition_counts,
)

USER_PREFIX = "livetwin-"

LEASE_TOPICS: Mapping[str, int] = {DUTY_JOURNAL: 1, OUTLETS_LEASE: 1}
"""Topics of roles with a standby, with their partitions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleRights:
    """What the account of a role may do. It may also see the names and offsets of all our topics."""

    reads: tuple[str, ...]
    writes: tuple[str, ...] = ()
    group: str | None = None  #: the consumer group that it joins, or in which it keeps offsets
    own_topics: str | None = None  #: prefix of topics that it creates, reads and writes


RIGHTS: Mapping[str, RoleRights] = {
    "ingest": RoleRights(
        reads=(REPLAYS, STORED), writes=(OBSERVATIONS, QUARANTINE), group="livetwin-ingest-replay"
    ),
    "stream": RoleRights(
        reads=(OBSERVATIONS, AREA_INPUTS, ALARM_INPUTS),
        writes=(OBSERVATIONS, UPDATES, AGGREGATES, AREA_INPUTS, ALARM_INPUTS, ALARMS),
        group="livetwin-stream",
        own_topics="livetwin-stream-",
    ),
    # Its repairs send what they have found to the stages of the stream.
    "historian": RoleRights(
        reads=(OBSERVATIONS, UPDATES, AGGREGATES, ALARMS, NOTIFICATIONS, QUARANTINE),
        writes=(OBSERVATIONS, AREA_INPUTS, ALARM_INPUTS, REPLAYS, STORED),
    ),
    "alerting": RoleRights(reads=(ALARMS, DUTY_COMMANDS, DUTY_JOURNAL), writes=(NOTIFICATIONS, DUTY_JOURNAL)),
    "outlets": RoleRights(reads=(UPDATES, ALARMS, OUTLETS_LEASE), writes=(OUTLETS_LEASE,)),
    "api": RoleRights(reads=(UPDATES, ALARMS), writes=(ALARM_INPUTS, DUTY_COMMANDS)),
}


class ResourceType(IntEnum):
    """Kafka's code of what a right is about."""

    TOPIC = 2
    GROUP = 3


class PatternType(IntEnum):
    """Kafka's code of how the name of a right is meant."""

    LITERAL = 3
    PREFIXED = 4


class Operation(IntEnum):
    """Kafka's code of what a right allows. READ and WRITE contain DESCRIBE."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DESCRIBE = 8


ALLOW = 3
"""Kafka's code of a right that allows; what no right allows is refused."""


class AccessRule(NamedTuple):
    """One entry of Kafka's access control list, with the members and codes of its protocol."""

    resource_type: int
    name: str
    pattern_type: int
    principal: str
    host: str
    operation: int
    permission: int = ALLOW


def kafka_user(role: str) -> str:
    """Return the name of the account of a role."""
    return USER_PREFIX + role


def kafka_principal(role: str) -> str:
    """Return the name of the account of a role in access rules."""
    return f"User:{kafka_user(role)}"


def declared_rules() -> frozenset[AccessRule]:
    """Return every rule that `RIGHTS` declares.

    Roles check at their start that all topics exist with the right number of partitions.
    """
    return frozenset(
        AccessRule(resource, name, pattern, kafka_principal(role), "*", operation)
        for role, rights in RIGHTS.items()
        for resource, name, pattern, operation in _rules_of(rights)
    )


def _rules_of(rights: RoleRights) -> Iterator[tuple[ResourceType, str, PatternType, Operation]]:
    topic, literal = ResourceType.TOPIC, PatternType.LITERAL
    for name in rights.reads:
        yield topic, name, literal, Operation.READ
    for name in rights.writes:
        yield topic, name, literal, Operation.WRITE
    for name in {*partition_counts(1), *LEASE_TOPICS} - {*rights.reads, *rights.writes}:
        yield topic, name, literal, Operation.DESCRIBE
    if rights.group is not None:
        yield ResourceType.GROUP, rights.group, literal, Operation.READ
    if rights.own_topics is not None:
        for operation in (Operation.CREATE, Operation.READ, Operation.WRITE):
            yield topic, rights.own_topics, PatternType.PREFIXED, operation
