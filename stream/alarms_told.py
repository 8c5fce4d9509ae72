"""What one record makes the stage of alarms tell, and the records that tell it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from runtime.kafka import topics
from stream.engine.stage import RECORD_ITEMS_MAX, OutputRecord, record_chunks
from twin.alarms.alarm import StreamTime
from twin.alarms.messages import (
    ALARM_INPUTS,
    ALARMS,
    AlarmBatch,
    AlarmEvent,
    AlarmInputBatch,
    CommandReply,
    DependencyOutage,
    IncidentEvent,
    IncidentMember,
    IncidentMemberUpdate,
)
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import partition_of
from twin.wire.probe import Probe


@dataclass(slots=True)
class AlarmOutput:
    """Alarms, incidents and answers, in order; and what other partitions are told."""

    stream_time: StreamTime
    alarms: list[AlarmEvent] = field(default_factory=list)
    incidents: list[IncidentEvent] = field(default_factory=list)
    replies: list[CommandReply] = field(default_factory=list)
    member_updates: dict[str, IncidentMemberUpdate] = field(
        default_factory=dict
    )  #: by alarm: what it is at the end
    outages: list[DependencyOutage] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)

    def add(self, events: Iterable[AlarmEvent]) -> None:
        """Tell what happened to alarms, and tell it to their incidents."""
        for one in events:
            self.alarms.append(one)
            member = IncidentMember(
                one.alarm, one.revision, one.state, one.active, int(one.severity), one.time
            )
            self.member_updates[one.alarm] = IncidentMemberUpdate(one.area, one.cause, one.theme, member)

    def outputs(self, partition: int, partitions: int) -> list[OutputRecord]:
        """Return the records."""
        now = self.stream_time.now
        outputs = []
        count = max(len(self.alarms), len(self.incidents), len(self.replies), len(self.probes))
        for start in range(0, count, RECORD_ITEMS_MAX):
            part = slice(start, start + RECORD_ITEMS_MAX)
            batch = AlarmBatch(
                LAYOUT_VERSION,
                now,
                tuple(self.alarms[part]),
                tuple(self.incidents[part]),
                tuple(self.replies[part]),
                tuple(self.probes[part]),
            )
            outputs.append(OutputRecord(topics.ALARMS, partition, ALARMS.encode(batch)))
        by_area: defaultdict[int, list[IncidentMemberUpdate]] = defaultdict(list)
        for _, one in sorted(self.member_updates.items()):
            by_area[partition_of(one.area, partitions)].append(one)
        inputs = [
            (number, AlarmInputBatch(LAYOUT_VERSION, now, False, member_updates=tuple(found)))
            for number in sorted(by_area)
            for found in record_chunks(by_area[number])
        ]
        if self.outages:
            everybody = AlarmInputBatch(LAYOUT_VERSION, now, False, outages=tuple(self.outages))
            inputs += [(number, everybody) for number in range(partitions)]
        return outputs + [
            OutputRecord(topics.ALARM_INPUTS, number, ALARM_INPUTS.encode(batch)) for number, batch in inputs
        ]
