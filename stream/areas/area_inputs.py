"""The records of `area-inputs`: values of entities and areas for the area that they belong to."""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from operator import attrgetter

from runtime.kafka import topics
from stream.engine.stage import OutputRecord, record_chunks
from twin.instant import Instant
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import AREA_INPUTS, AreaInput, AreaInputBatch, partition_of

_NAME_AND_AREA = attrgetter("name", "area")


def area_input_records(
    inputs: list[AreaInput], now: Instant, partitions: int, *, repeated: bool = False, sender: int = -1
) -> list[OutputRecord]:
    """Return the records of these inputs; those of one name and area are together, in order.

    `sender` is the partition of the entities that send them.

    An area evaluates all inputs of a name for each record that changes one of them. Inputs of a name that
    are spread over many records would be evaluated many times, and so would those that follow from them in
    the areas above.
    """
    by_partition: defaultdict[int, list[AreaInput]] = defaultdict(list)
    for (_, area), of_area in groupby(sorted(inputs, key=_NAME_AND_AREA), key=_NAME_AND_AREA):
        by_partition[partition_of(area, partitions)] += of_area
    return [
        OutputRecord(
            topics.AREA_INPUTS,
            partition,
            AREA_INPUTS.encode(AreaInputBatch(LAYOUT_VERSION, now, tuple(part), repeated, sender, number)),
        )
        for partition, of_partition in sorted(by_partition.items())
        for number, part in enumerate(record_chunks(of_partition))
    ]
