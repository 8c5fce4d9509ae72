"""The order of the partitions that the live view follows: those of `updates`, then those of `alarms`.

A cursor has a position for each of them, so one text marks the position of a subscriber in both topics.
"""

from __future__ import annotations

from aiokafka import TopicPartition

from runtime.kafka.topics import ALARMS, UPDATES


def ordered_partitions(partitions: int) -> list[TopicPartition]:
    """Return the partitions of a log, in order; `partitions` is the number of each topic.

    >>> [(each.topic, each.partition) for each in ordered_partitions(2)]
    [('updates', 0), ('updates', 1), ('alarms', 0), ('alarms', 1)]
    """
    return [TopicPartition(topic, number) for topic in (UPDATES, ALARMS) for number in range(partitions)]
