"""Checkpoints of version 0.1.0 are read, and the stages continue as that version would have."""

from __future__ import annotations

import dataclasses
import gzip
import json
from base64 import b64decode
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace

from runtime.kafka import topics
from tests.support.cities.alarm_city import high_water_rule
from tests.support.cities.household_city import household_city
from tests.support.pipelines.neighbour_pipeline import thermometer_city
from tests.support.pipelines.stage_pipeline import StagePipeline
from tests.support.repository import ROOT
from tests.unit.stream.test_alarm_silences import gateway_city
from tests.unit.stream.test_baseline_rules import ODD
from twin.alarms.messages import ALARM_INPUTS, ALARMS
from twin.alarms.severity import Severity
from twin.model.city_model import CityModel
from twin.model.names import AREA_PREFIX
from twin.quality import level_shift
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.messages import AGGREGATES, OBSERVATIONS, UPDATES, UpdateBatch, UpdateKind

FILE = ROOT / "tests" / "golden" / "checkpoints-0.1.0.json.gz"
"""Of three cities: the checkpoint of each stage, and the records that the version wrote after it."""


def water_city() -> CityModel:
    """Return gauges behind a gateway, with rules on levels, deviations, silence and outages."""
    city = gateway_city()
    return dataclasses.replace(city, rules={**city.rules, "high-water": high_water_rule(), "odd": ODD})


def comparable(records: Iterable[tuple[str, bytes]]) -> Counter[tuple[str, bytes]]:
    """Return records by their topic and partition, as this version encodes them.

    Left out is what that version did not write: amendments, which raise the revisions of what follows, the
    values of areas, which had no slots, and records without windows. So are the sentences of alarms, which
    may change.
    """
    found: Counter[tuple[str, bytes]] = Counter()
    for key, record in records:
        topic, content = key.partition("/")[0], record
        if topic == topics.AREA_INPUTS:
            continue
        if topic == topics.UPDATES:
            updates = UPDATES.decode(record).updates
            newest = tuple(
                replace(one, revision=0)
                for one in updates
                if one.kind is not UpdateKind.AMENDMENT and not one.property.startswith(AREA_PREFIX)
            )
            if not newest:
                continue
            content = UPDATES.encode(UpdateBatch(LAYOUT_VERSION, newest))
        elif topic == topics.ALARMS:
            batch = ALARMS.decode(record)
            alarms = tuple(
                replace(alarm, sentence_en="", sentence_nl="", worst=Severity.CLEARED)
                for alarm in batch.alarms
            )
            content = ALARMS.encode(replace(batch, alarms=alarms, repairs=()))
        elif topic == topics.OBSERVATIONS:
            content = OBSERVATIONS.encode(OBSERVATIONS.decode(record))
        elif topic == topics.AGGREGATES:
            windows = AGGREGATES.decode(record)
            if not (windows.aggregates or windows.assessments or windows.repairs):
                continue
        elif topic == topics.ALARM_INPUTS:
            content = ALARM_INPUTS.encode(ALARM_INPUTS.decode(record))
        found[key, content] += 1
    return found


@pytest.mark.parametrize(
    ("name", "model"),
    [("water", water_city()), ("households", household_city(12, 11)), ("neighbours", thermometer_city())],
)
def test_stages_continue_from_a_checkpoint_of_version_0_1(
    name: str, model: CityModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    # That version accepted a new level at the eighth value, and no value confirmed it: no run is as long.
    monkeypatch.setattr(level_shift, "LEVEL_COUNT", 1_000)
    recorded: dict[str, Any] = json.loads(gzip.decompress(FILE.read_bytes()))[name]
    records = {key: [b64decode(record) for record in found] for key, found in recorded["records"].items()}
    pipeline = StagePipeline(model)
    outputs: Counter[tuple[str, bytes]] = Counter()
    for (topic, number), factory in ((key, pipeline.kinds[key[0]]) for key in pipeline.stages):
        entries = {
            key: b64decode(value) for key, value in recorded["checkpoints"][f"{topic}/{number}"].items()
        }
        position = entries.pop("position")
        buckets = {int(bucket): value for bucket, value in entries.items()}
        stage = factory.restored(number, position, buckets.get)
        assert stage is not None, f"the checkpoint of {topic}/{number} is refused"
        assert stage.offset == recorded["records_before"][f"{topic}/{number}"] - 1
        for offset, record in enumerate(records.get(f"{topic}/{number}", []), start=stage.offset + 1):
            applied = stage.apply(offset, factory.decode(record), model)
            outputs += comparable((f"{one.topic}/{one.partition}", one.value) for one in applied.outputs)
    expected = comparable((key, record) for key, found in records.items() for record in found)
    observations = Counter(
        {item: n for item, n in expected.items() if item[0].startswith(topics.OBSERVATIONS)}
    )
    assert expected - observations <= outputs
    assert outputs <= expected, "on `observations` the stages write only verdicts, the rest is input"
