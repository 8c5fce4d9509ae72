"""The README stays short, and its examples run."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

from cities import default_city
from cities.folder_reader import read_city
from ingest.decoders import build_registry, registry
from ingest.mqtt.message import MqttMessage
from ingest.pipeline.intake import Intake, IntakeOptions
from ingest.pipeline.mapping import DeviceMap
from ingest.pipeline.pseudonym import Pseudonymiser
from ingest.pipeline.routes import TopicRoutes
from tests.support.repository import ROOT
from twin.instant import parse_instant
from twin.model.city_model import CityPlan
from twin.quality.plausibility import PlausibilityBounds

README = ROOT / "README.md"
README_LINES_MAX = 220
DECODER_LINES_MAX = 25


def block(language: str, first_line: str) -> str:
    """Return the code block of the README whose first line starts so."""
    for found in re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL):
        if found.startswith(first_line):
            return str(found)
    raise AssertionError(f"README.md has no {language} block that starts with {first_line!r}")


def extended_city(folder: Path) -> CityPlan:
    """Return Alkmaar with the sensors and the feed that the README adds."""
    shutil.copytree(default_city(), folder)
    with (folder / "sensors.yaml").open("a") as sensors:
        sensors.write("\n" + block("yaml", "# sensors.yaml: one more item"))
        sensors.write("\n" + block("yaml", "# sensors.yaml: its sensor"))
    (folder / "feeds.yaml").write_text(block("yaml", "# feeds.yaml"))
    return read_city(folder)


def test_the_sensor_of_the_readme_can_be_added(tmp_path: Path) -> None:
    before = read_city(default_city())
    plan = extended_city(tmp_path / "alkmaar")
    added = {one.id for one in plan.sensors} - {one.id for one in before.sensors}
    assert {"aq-overdie-2", "rain-kooimeer"} == added
    level = next(one for one in plan.datastreams if one.sensor == "rain-kooimeer")
    assert level.property == "rainfall"


def test_the_decoder_of_the_readme_is_all_that_its_format_needs(tmp_path: Path) -> None:
    source = block("python", '"""Rain gauges')
    assert len(source.splitlines()) <= DECODER_LINES_MAX
    file = tmp_path / "pluvio.py"
    file.write_text(source)
    spec = importlib.util.spec_from_file_location("pluvio", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    decoders = build_registry([*registry().values(), module.DECODER])
    model = extended_city(tmp_path / "alkmaar").model(1)
    intake = Intake(
        routes=TopicRoutes(decoders, model.feeds),
        devices=DeviceMap(model, decoders, 4),
        timezone=model.city.timezone,
        options=IntakeOptions(
            payload_bytes_max=1024, quarantine_bytes_max=1024, plausibility=PlausibilityBounds()
        ),
        pseudonymise=Pseudonymiser(b"a key for this test alone"),
    )
    now = parse_instant("2026-11-23T12:00:01Z")
    taken = intake.process(MqttMessage("pluvio/rg-7", b"2026-11-23T12:00:00Z;0.4", now, 1, 1, 1))
    assert taken.quarantined is None
    [observation] = taken.observations
    assert model.datastreams[observation.datastream].sensor == "rain-kooimeer"
    assert (observation.phenomenon_time, observation.value) == (parse_instant("2026-11-23T12:00:00Z"), 0.4)
    refused = intake.process(MqttMessage("pluvio/rg-7", b"\xff;;", now, 1, 1, 1))
    assert refused.quarantined is not None
    assert refused.quarantined.reason == "malformed"


def test_the_readme_stays_short() -> None:
    assert len(README.read_text().splitlines()) <= README_LINES_MAX, "move details into docs/"
