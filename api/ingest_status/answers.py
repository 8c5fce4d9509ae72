"""The answers about ledger, quarantine and unassigned devices, with examples."""

from __future__ import annotations

from http import HTTPStatus

from api.http.answers import Answer, Body
from api.http.models import Link
from api.http.pages import Page, PageLinks
from api.ingest_status.models import (
    AssignedSensor,
    IngestSessionModel,
    LedgerBalanceModel,
    LedgerPage,
    LedgerRowModel,
    LedgerTotals,
    PayloadLinks,
    QuarantinedMessageModel,
    QuarantinedMessageWithPayload,
    QuarantineLinks,
    QuarantineUsageModel,
    RequestedReplay,
    RequestedReplays,
    SensorTemplate,
    UnassignedDeviceModel,
    UnassignedMessageModel,
)
from cities.files.schema import SensorItem

UNRESOLVED = QuarantineLinks(quarantine=Link(href="/v1/quarantine?resolved=false"))

_ID = "9a4ef3f1c2d35f6e0b6d7a81"
_QUARANTINED = QuarantinedMessageWithPayload(
    id=_ID,
    feed="native",
    device="aq-overdie-1",
    topic="livetwin/alkmaar/aq-overdie-1/observations",
    received_time="2026-11-23T12:00:01Z",
    reason="malformed",
    detail="the payload is not JSON: it ends after 12 bytes",
    decoder="native",
    decoder_version=1,
    observations=0,
    attempts=0,
    replay_state="none",
    replay_requested_time=None,
    resolved_time=None,
    payload_bytes=9,
    payload_sha256="0c2e…",
    payload_truncated=False,
    links=PayloadLinks(payload=Link(href=f"/v1/quarantine/{_ID}/payload")),
    payload="eyJ0aW1lIjog",
)
QUARANTINE = Answer(
    model=Page[QuarantinedMessageModel],
    description="A page of quarantined messages.",
    example=Page(
        items=[
            QuarantinedMessageModel(
                **{name: getattr(_QUARANTINED, name) for name in QuarantinedMessageModel.__struct_fields__}
            )
        ],
        links=PageLinks(
            self_=Link(href="/v1/quarantine"), next=Link(href="/v1/quarantine?cursor=r2Fsa21hYXI")
        ),
    ),
)
QUARANTINED = Answer(
    model=QuarantinedMessageWithPayload,
    description="The message, with the beginning of its payload.",
    example=_QUARANTINED,
)
QUARANTINED_PAYLOAD = Answer(
    model=bytes,
    description="The bytes of the payload.",
    media_type="application/octet-stream",
    headers={"Content-Disposition": "`attachment`"},
)

_COUNTS = {
    "received": 120,
    "accepted": 118,
    "quarantined": 2,
    "observations": 300,
    "new": 290,
    "corrected": 1,
    "superseded": 0,
    "duplicate": 9,
    "replayed": 0,
    "resolved": 0,
}
_EQUATIONS = [
    "received 120 = accepted 118 + quarantined 2",
    "observations 300 = new 290 + corrected 1 + superseded 0 + duplicate 9",
]
LEDGER = Answer(
    model=LedgerPage,
    description="The ledger of the requested interval, and the balance of everything.",
    example=LedgerPage(
        start="2026-11-23T12:00:00Z",
        end="2026-11-23T13:00:00Z",
        balanced=True,
        balance=LedgerBalanceModel(
            **_COUNTS,
            stored=290,
            removed=0,
            missing=0,
            lost=0,
            equations=[*_EQUATIONS, "new 290 = stored 290 + removed 0", "lost 0 = 0"],
            balanced=True,
        ),
        totals=LedgerTotals(**_COUNTS, equations=_EQUATIONS, balanced=True),
        sessions=[
            IngestSessionModel(
                session="2f6c…",
                first_received="2026-11-23T12:00:00Z",
                last_received="2026-11-23T12:00:00Z",
                messages=120,
                last_sequence=119,
                missing=0,
                lost=0,
                holes=[],
            )
        ],
        interruptions=[],
        quarantine=QuarantineUsageModel(bytes=1_240_000, heads_only=0, counted_only=0),
        items=[LedgerRowModel(feed="ttn", minute="2026-11-23T12:00:00Z", **_COUNTS)],
        links=PageLinks(self_=Link(href="/v1/ledger")),
    ),
)

_REQUESTED = "The replay is requested; `replayState` in /v1/quarantine shows its progress."
REPLAY = Answer(
    model=RequestedReplay,
    description=_REQUESTED,
    example=RequestedReplay(id=_ID, requested=1, replay_state="requested", links=UNRESOLVED),
    status=HTTPStatus.ACCEPTED,
)
REPLAYS = Answer(
    model=RequestedReplays,
    description=_REQUESTED,
    example=RequestedReplays(requested=42, limit=10_000, links=UNRESOLVED),
    status=HTTPStatus.ACCEPTED,
)
UNASSIGNED = Answer(
    model=Page[UnassignedDeviceModel],
    description="Devices without a sensor.",
    example=Page(
        items=[
            UnassignedDeviceModel(
                feed="ttn",
                device="eui-70b3d57ed0001234",
                count=6,
                first_received_time="2026-11-23T11:00:00Z",
                last_received_time="2026-11-23T11:50:00Z",
                messages=[
                    UnassignedMessageModel(
                        topic="v3/alkmaar@ttn/devices/eui-70b3d57ed0001234/up",
                        received_time="2026-11-23T11:50:00Z",
                        payload_bytes=212,
                        links=PayloadLinks(payload=Link(href=f"/v1/quarantine/{_ID}/payload")),
                    )
                ],
                assign=SensorTemplate(
                    how="Put this into sensors.yaml of the city folder …",
                    sensors_yaml='  - id: <a name of yours>\n    feed: "ttn"\n',
                ),
            )
        ],
        links=PageLinks(self_=Link(href="/v1/unassigned-devices")),
    ),
)
ASSIGN_BODY = Body(
    SensorItem,
    {
        "id": "aq-overdie-2",
        "feed": "native",
        "device": "aq-overdie-2",
        "entity": "alkmaar.overdie",
        "interval": "PT10M",
        "observes": [{"property": "pm2_5", "field": "pm2_5", "unit": "ug/m3"}],
    },
)
ASSIGNED = Answer(
    model=AssignedSensor,
    description="The sensor was added; its quarantined messages are processed now.",
    example=AssignedSensor(sensor_id="aq-overdie-2", model_version=8, links=UNRESOLVED),
    status=HTTPStatus.CREATED,
)
