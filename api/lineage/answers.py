"""The answer of the lineage of a value, with an example."""

from __future__ import annotations

from typing import cast

from api.http.answers import Answer
from api.http.models import Link
from api.http.pages import PageLinks
from api.lineage.models import (
    CalibrationPeriod,
    LineageMessage,
    LineageValue,
    LogPosition,
    ObservationLineage,
    ObservedProvenance,
    Provenance,
)

_MESSAGE = LineageMessage(
    topic="v3/alkmaar@ttn/devices/eui-a81758fffe0512ab/up",
    feed="ttn",
    device="eui-a81758fffe0512ab",
    received_time="2026-11-23T12:00:01Z",
    decoder="ttn",
    decoder_version=1,
    payload_bytes=812,
    payload_sha256="0c2e…",
    payload="eyJlbmRf…",
    session="2f6c…",
    sequence=5120,
    replayed=False,
    log=LogPosition(id="livetwin-1", topic="observations", partition=1, offset=4711),
)
PROVENANCE = Answer[Provenance](
    # mypy has no type of unions as values.
    model=cast("type[Provenance]", Provenance),
    description="Where the value comes from.",
    example=ObservedProvenance(
        entity_id="alkmaar.overdie",
        property="pm2_5",
        unit="ug/m3",
        value=LineageValue(
            value=11.2,
            unit="ug/m3",
            phenomenon_time="2026-11-23T12:00:00Z",
            received_time="2026-11-23T12:00:01Z",
            quality="good",
            freshness="live",
            revision=8_589_934_599,
            count=1,
            combination="mean",
            sensor_ids=["aq-overdie-1"],
            deviating_sensor_ids=[],
        ),
        observations=[
            ObservationLineage(
                datastream_id=17,
                sensor_id="aq-overdie-1",
                phenomenon_time="2026-11-23T12:00:00Z",
                received_time="2026-11-23T12:00:01Z",
                raw_value=10.2,
                value=11.2,
                quality="good",
                flags=[],
                calibration=CalibrationPeriod(start="2026-11-01T00:00:00Z", end=None, gain=1.0, offset=1.0),
                message=_MESSAGE,
            )
        ],
        truncated=False,
        links=PageLinks(self_=Link(href="/v1/entities/alkmaar.overdie/provenance?property=pm2_5")),
    ),
)
