"""The records of `area-inputs`: values that entities and areas pass on to the area that they belong to."""

from __future__ import annotations

from collections import defaultdict
from operator import attrgetter

from runtime.kafka import topics
from stream.engine.stage import OutputRecord, record_chunks
from twin.instant import Instant
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import AREA_INPUTS, AreaInput, AreaInputBatch, partition_of

_AREA_AND_NAME = attrgetter("area", "name")


def area_input_records(inputs: list[AreaInput], now: Instant, partitions: int) -> list[OutputRecord]:
    """Return records that tell these inputs to their areas; those of one area and name together, in order.

    An area judges all that it was told by a name as soon as one record tells it something: so a name that is
    spread over many records would be judged many times.
    """
    by_partition: defaultdict[int, list[AreaInput]] = defaultdict(list)
    for one in sorted(inputs, key=_AREA_AND_NAME):
        by_partition[partition_of(one.area, partitions)].append(one)
    return [
        OutputRecord(
            topics.AREA_INPUTS,
            partition,
            AREA_INPUTS.encode(AreaInputBatch(LAYOUT_VERSION, now, tuple(part))),
        )
        for partition, found in sorted(by_partition.items())
        for part in record_chunks(found)
    ]
