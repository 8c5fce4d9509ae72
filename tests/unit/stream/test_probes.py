"""Probes pass through the stages after everything that arrived before them, and change nothing."""

from __future__ import annotations

from runtime.kafka.topics import ALARMS, OBSERVATIONS
from tests.support.cities.alarm_city import alarm_city
from tests.support.pipelines.stage_pipeline import StagePipeline
from twin.alarms.messages import ALARMS as ALARMS_CODEC
from twin.instant import SECOND, parse_instant
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import OBSERVATIONS as OBSERVATIONS_CODEC
from twin.wire.messages import ObservationBatch
from twin.wire.probe import Probe

NOON = parse_instant("2026-11-23T12:00:00Z")


def test_a_probe_leaves_on_the_partition_on_which_it_arrived() -> None:
    run = StagePipeline(alarm_city())
    run.time = NOON
    run.advance(NOON + SECOND)
    batch = ObservationBatch(LAYOUT_VERSION, (), NOON + 2 * SECOND, probes=(Probe(NOON),))
    run.records[OBSERVATIONS, 1].append(OBSERVATIONS_CODEC.encode(batch))
    run.drain()
    probes = {
        number: [one for value in run.records[ALARMS, number] for one in ALARMS_CODEC.decode(value).probes]
        for number in range(run.partitions)
    }
    assert probes == {0: [], 1: [Probe(NOON)]}
    assert run.alarms == []
    assert run.incidents == []


def test_a_probe_is_sent_on_once() -> None:
    run = StagePipeline(alarm_city())
    batch = ObservationBatch(LAYOUT_VERSION, (), NOON, probes=(Probe(NOON),))
    run.records[OBSERVATIONS, 0].append(OBSERVATIONS_CODEC.encode(batch))
    run.drain()
    run.time = NOON
    run.advance(NOON + 5 * SECOND)
    probes = [one for value in run.records[ALARMS, 0] for one in ALARMS_CODEC.decode(value).probes]
    assert probes == [Probe(NOON)]
