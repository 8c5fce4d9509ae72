"""Lanes: the partitions of the log that the live view follows, in one order: of `updates`, then of `alarms`.

A cursor has a position for each lane, so one text says how far a subscriber is in both topics.
"""

from __future__ import annotations

from aiokafka import TopicPartition

from runtime.kafka.topics import ALARMS, UPDATES


def ordered_partitions(partitions: int) -> list[TopicPartition]:
    """Return the lanes of a log whose topics have so many partitions.

    >>> [(one.topic, one.partition) for one in ordered_partitions(2)]
    [('updates', 0), ('updates', 1), ('alarms', 0), ('alarms', 1)]
    """
    return [TopicPartition(topic, number) for topic in (UPDATES, ALARMS) for number in range(partitions)]
