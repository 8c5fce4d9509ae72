"""A written city reads back as it was, and the same model gives the same bytes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cities import default_city
from cities.folder_reader import read_city
from cities.folder_writer import write_city
from tests.support.cities.city_folders import SENSORS, write_city_folder
from twin.instant import DAY, SECOND
from twin.model.city_model import CityPlan
from twin.model.observed_property import BUILT_IN_PROPERTIES, ObservedProperty, Retention
from twin.quality.quality_rules import (
    TIME_RULES_ONLY,
    IsolatedRule,
    NullValueRule,
    QualityRules,
    SpikeRule,
    StuckRule,
)
from twin.quality.valid_when import ValidWhen


def in_order(plan: CityPlan) -> CityPlan:
    return replace(
        plan,
        entities=tuple(sorted(plan.entities, key=lambda one: one.id)),
        sensors=tuple(sorted(plan.sensors, key=lambda one: one.id)),
        datastreams=tuple(sorted(plan.datastreams, key=lambda one: one.sensor)),
        properties=tuple(sorted(plan.properties, key=lambda one: one.name)),
        calibrations=tuple(sorted(plan.calibrations, key=lambda one: (one.sensor, one.start))),
        maintenance=tuple(sorted(plan.maintenance, key=lambda one: (one.sensor, one.start))),
        rules=tuple(sorted(plan.rules, key=lambda one: one.id)),
    )


def test_alkmaar_reads_back_as_it_was(tmp_path: Path) -> None:
    plan = read_city(default_city())
    write_city(plan.model(1), tmp_path, plan.files)
    assert in_order(read_city(tmp_path)) == in_order(plan)


def test_everything_in_a_folder_reads_back_as_it_was(tmp_path: Path) -> None:
    meter = (
        "  - {id: meter, feed: native, entity: delta.quay, interval: PT1M, personal: true, "
        "observes: [{property: power_import, field: power, unit: kW}]}\n"
    )
    folder = write_city_folder(tmp_path / "in", sensors=SENSORS + meter)
    plan = read_city(folder)
    written = write_city(plan.model(1), tmp_path / "out")
    assert in_order(read_city(tmp_path / "out")) == in_order(plan)
    assert [path.name for path in written] == [
        "city.yaml",
        "entities.yaml",
        "sensors.yaml",
        "properties.yaml",
        "feeds.yaml",
        "calibrations.yaml",
        "maintenance.yaml",
        "rules.yaml",
    ]


def test_rules_of_every_kind_read_back_as_they_were(tmp_path: Path) -> None:
    own = ObservedProperty(
        name="pulses",
        unit="1",
        theme="mobility",
        minimum=0,
        maximum=65535,
        combination="sum",
        aggregation="counter",
        quality=QualityRules(
            minimum=1e-7,
            maximum=2e16,
            rate_max=1 / 3,
            spike=SpikeRule(window=7, threshold=4.5, deviation_min=0.25),
            isolated=IsolatedRule(deviation_min=2.5),
            null_values=NullValueRule(values=(0.0, -999.0), deviation_min=0.5, count=3),
            stuck=StuckRule(
                count=3,
                duration_min=90 * SECOND,
                except_values=(0.0, 99.9),
                active_duration_min=30 * SECOND,
            ),
            late_after=DAY,
            skew_after=SECOND // 2,
            disagreement=3.0,
            valid_when=ValidWhen(field="status.code", minimum=1, below=9, one_of=(1.0, 2.5), required=True),
        ),
        retention=Retention(raw=DAY, minute=2 * DAY, hour=3 * DAY),
        roll_up="sum",
        wraps_at=65536.0,
        coverage_min=0.9,
        age_max=730 * DAY,
    )
    # A city may take rules from built-in properties, too.
    bare = [
        replace(base, quality=TIME_RULES_ONLY, retention=own.retention, roll_up="max")
        for base in BUILT_IN_PROPERTIES.values()
    ]
    model = read_city(write_city_folder(tmp_path / "in")).model(1)
    ruled = replace(model, properties={one.name: one for one in (own, *bare)})
    write_city(ruled, tmp_path / "out")
    assert {one.name: one for one in read_city(tmp_path / "out").properties} == ruled.properties


@pytest.mark.parametrize(
    "name", ["yes", "12", "1e3", "2026-01-01", "~", '\'t Zand: "oost" # 1', "Café\u00a0✓"]
)
def test_names_that_look_like_other_yaml_values_stay_text(tmp_path: Path, name: str) -> None:
    model = read_city(write_city_folder(tmp_path / "in")).model(1)
    named = replace(model, city=replace(model.city, name=name))
    write_city(named, tmp_path / "out")
    assert read_city(tmp_path / "out").city.name == name


def test_the_same_model_in_another_order_gives_the_same_bytes(tmp_path: Path) -> None:
    model = read_city(default_city()).model(1)
    turned = replace(
        model,
        entities=dict(reversed(list(model.entities.items()))),
        sensors=dict(reversed(list(model.sensors.items()))),
        datastreams=dict(reversed(list(model.datastreams.items()))),
    )
    one, two = write_city(model, tmp_path / "one"), write_city(turned, tmp_path / "two")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]


def test_files_without_content_are_removed_and_others_stay(tmp_path: Path) -> None:
    folder = write_city_folder(tmp_path)
    (folder / "README.md").write_text("Delta\n")
    model = read_city(folder).model(1)
    bare = replace(model, feeds=(), properties=BUILT_IN_PROPERTIES, calibrations=(), maintenance=(), rules={})
    write_city(bare, folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md",
        "city.yaml",
        "entities.yaml",
        "sensors.yaml",
    ]
