"""A small city as a folder of YAML files."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import pytest

from cities.files.faults import CityError, CityFault
from cities.folder_reader import read_city
from tests.support.cities.rosters import WEEKS, calendar_text

FaultCase: TypeAlias = tuple[str, str, str, int, str]
"""File, text in the small city, its replacement, line of the fault, part of the message."""

CITY = "city: {id: delta, name: Delta, timezone: Europe/Amsterdam}\n"

ENTITIES = """\
entities:
  - id: delta
    type: Municipality
    name: Delta
  - id: delta.quay
    type: Neighbourhood
    name: The Quay
    parent: delta
    geometry: {type: Polygon, coordinates: [[[4.7, 52.6], [4.8, 52.6], [4.8, 52.7], [4.7, 52.6]]]}
    attributes: {connections: 120, soil: {kind: clay, depths: [1, 2.5]}}
    relations: [{type: drainsTo, target: delta.canal}]
  - id: delta.canal
    type: Waterway
    name: Canal
    parent: delta
"""

SENSORS = """\
sensors:
  - id: air-1
    feed: ttn
    device: eui-01
    entity: delta.quay
    interval: PT10M
    observes:
      - {property: pm2_5, field: pm2_5, unit: ug/m3}
      - {property: air_temperature, field: temp, unit: K, offset: -0.4}
  - id: level-1
    feed: native
    entity: delta.canal
    interval: PT1M
    observes:
      - {property: water_level, field: distance, unit: cm, scale: -0.01, offset: 1.85, interval: PT5M}
"""

PROPERTIES = """\
properties:
  - name: turbidity
    unit: NTU
    theme: water
    minimum: 0
    maximum: 4000
    quality: {maximum: 1500, rateMax: 0.5, stuck: {count: 12, durationMin: PT6H, exceptValues: [0]}}
  - name: water_level
    quality:
      lateAfter: PT3H
      spike: null
    retention: {raw: P30D, minute: P60D}
"""

FEEDS = """\
feeds:
  - {id: buoys, filter: buoys/+/json, decoder: json_fields, deviceLevel: 1}
"""

CALIBRATIONS = """\
calibrations:
  - {sensor: level-1, property: water_level, from: 2026-03-01T08:00+01:00, until: 2026-06-01T00Z, gain: 1.1}
  - {sensor: level-1, property: water_level, from: "2026-06-01T02:00:00+02:00", offset: 0.02, note: re-hung}
  - {sensor: air-1, property: pm2_5, from: 2026-03-01T08:00:00+01:00, gain: 0.9, offset: -1.5}
"""

MAINTENANCE = """\
maintenance:
  - {sensor: air-1, from: 2026-04-07T09:00:00+02:00, until: 2026-04-07T11:30:00+02:00, note: new filter}
  - {sensor: level-1, from: 2026-11-01T00:00:00Z}
"""

RULES = """\
rules:
  - id: high-water
    title: {en: High water, nl: Hoog water}
    theme: water
    select: {types: [Waterway]}
    when:
      value: water_level
      unit: cm
      above: {minor: 10, major: 20}
      deadband: 2
    onDelay: PT10M
    schedule:
      - {days: [sat, sun], from: "22:00", until: "06:00"}
  - id: bad-air
    title: {en: Bad air, nl: Vuile lucht}
    theme: environment
    select: {within: [delta]}
    when: {value: pm2_5, over: PT1H, above: 50, severity: minor, clear: 45}
  - id: warm-and-dirty
    title: {en: Warm and dirty, nl: Warm en vuil}
    theme: environment
    select: {entities: [delta.quay]}
    when: {expression: air_temperature > 30 && pm2_5 > 25, severity: warning, over: {pm2_5: PT10M}}
"""

SITE = """\
site:
  languages: [en, nl]
  organisation: {en: Delta, nl: Delta}
  privacy: {url: {en: "https://delta.example/privacy", nl: "https://delta.example/avg"}}
  contact:
    text: {en: "# Contact\\n\\nCall us.", nl: "# Contact\\n\\nBel ons."}
  processingRegister: https://delta.example/register
  embeddingOrigins: [https://delta.example, "https://*.delta.example:8443"]
"""

THEME = b":root { --nl-color: #9b1b1f; }\n"
BACKGROUND = """\
{"type": "FeatureCollection", "features": [
{"type": "Feature", "properties": {"kind": "canal", "name": "Gracht"},
"geometry": {"type": "LineString", "coordinates": [[4.7, 52.6], [4.8, 52.7]]}}]}
"""

FILES = {
    "city.yaml": CITY,
    "entities.yaml": ENTITIES,
    "sensors.yaml": SENSORS,
    "properties.yaml": PROPERTIES,
    "feeds.yaml": FEEDS,
    "calibrations.yaml": CALIBRATIONS,
    "maintenance.yaml": MAINTENANCE,
    "rules.yaml": RULES,
}


def write_city_folder(folder: Path, **changed: str | None) -> Path:
    """Write the files of the small city; `sensors=…` replaces sensors.yaml, None omits the file."""
    folder.mkdir(exist_ok=True)
    for name, text in FILES.items():
        content = changed.get(name.removesuffix(".yaml"), text)
        if content is not None:
            (folder / name).write_text(content, encoding="utf-8")
    return folder


def faults_of(folder: Path) -> tuple[CityFault, ...]:
    """Return the faults of a folder; fail when it has none."""
    with pytest.raises(CityError) as caught:
        read_city(folder)
    return caught.value.faults


def assert_fault(folder: Path, case: FaultCase) -> None:
    """Assert that the fault of a case is reported exactly once, with its file and line."""
    name, old, new, line, text = case
    file = f"{name}.yaml"
    assert old in FILES[file]
    write_city_folder(folder, **{name: FILES[file].replace(old, new, 1)})
    faults = [fault for fault in faults_of(folder) if text in str(fault)]
    assert len(faults) == 1, "\n".join(map(str, faults_of(folder)))
    assert (faults[0].file, faults[0].line) == (str(folder / file), line)


# --- with a duty plan ---

ROUTES = """\
channels:
  - {id: log, url: "livetwin://log"}
  - {id: mail, url: "mailtos://${MAIL_USER}:${MAIL_PASSWORD}@mail.example.org?to={address}"}
contacts:
  - id: water
    name: Duty officer water
    addresses: {mail: "${WATER_MAIL}"}
  - {id: roads, name: Duty officer roads and air, language: en, addresses: {mail: roads@example.org}}
  - {id: lead, name: Team lead operations}
teams:
  - {id: operations, name: Operations, members: [water, roads], roster: roster-operations.ics}
  - {id: leads, name: Leads, members: [lead]}
policies:
  - id: urgent
    groupWait: PT10S
    repeat: 2
    steps:
      - {notify: on-call, channels: [mail, log], wait: PT5M}
      - {notify: contact, contact: lead, channels: [log]}
  - {id: calm, remind: PT0S, groupInterval: PT1H, steps: [{notify: team, channels: [log], wait: PT1H}]}
quietHours:
  - {upTo: warning, times: [{days: [fri, sun], from: "22:30", until: "07:00"}, {days: [sat]}]}
routes:
  - {severities: [major, critical], themes: [water], within: [delta.quay], team: operations, policy: urgent}
  - {causes: [flood], team: operations, policy: urgent}
  - {team: leads, policy: calm}
watchdog: {channel: mail, address: "${WATCHDOG_MAIL}"}
"""

ROSTER = calendar_text(*WEEKS)


def write_duty_folder(folder: Path, routes: str = ROUTES, roster: str | None = ROSTER) -> Path:
    """Write the small city with its duty plan; None omits the roster's file."""
    write_city_folder(folder)
    (folder / "routes.yaml").write_text(routes, encoding="utf-8")
    if roster is not None:
        (folder / "roster-operations.ics").write_bytes(roster.encode())
    return folder
