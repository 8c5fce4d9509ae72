"""Small city folders on disk for these tests."""

from __future__ import annotations

from pathlib import Path

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
"""

FEEDS = """\
feeds:
  - {id: buoys, filter: buoys/+/json, decoder: json_fields, deviceLevel: 1}
"""

FILES = {
    "city.yaml": CITY,
    "entities.yaml": ENTITIES,
    "sensors.yaml": SENSORS,
    "properties.yaml": PROPERTIES,
    "feeds.yaml": FEEDS,
}


def write_folder(folder: Path, **changed: str | None) -> Path:
    """Write the small city; `sensors=…` replaces sensors.yaml, None leaves the file out."""
    folder.mkdir(exist_ok=True)
    for name, text in FILES.items():
        content = changed.get(name.removesuffix(".yaml"), text)
        if content is not None:
            (folder / name).write_text(content, encoding="utf-8")
    return folder
