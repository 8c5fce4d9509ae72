"""A cloudburst that was stored, and the dossiers of its alarms."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from api.dossier.builder import DossierRequest, MadeDossier, make_dossier
from cities import default_city
from cities.folder_reader import read_city
from runtime.kafka import topics
from runtime.signing_key import SigningKey, create_key_file
from storage.database import connect
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.model.model_store import apply_plan, load_model
from tests.support.pipelines.scenario_day import ScenarioDay
from tests.support.pipelines.stored_run import StoredRun
from twin.alarms.messages import AlarmCommand, AlarmEvent
from twin.dossier.dossier_file import MANIFEST, SIGNATURE, contents_of, encode_document, pack, unpack
from twin.instant import DAY, SECOND, Duration, Instant, parse_instant, to_datetime
from twin.model.sensor import Sensor
from twin.wire.duty_messages import NOTIFICATIONS, NotificationEvent

ALARM = "high-water~alkmaar.schermerboezem"
GAUGE = "wl-schermerboezem-c1"
START = parse_instant("2026-11-24T09:00:00Z")

PARTITIONS = 4
"""As many as the log of the tests has."""

STEP: Duration = SECOND
"""The time between two ticks, as live."""

# The city was applied now, by the clock of the database; the day of the cloudburst is another one.
_MADE_EARLIER = (
    "UPDATE model_change SET changed_at = %(time)s",
    "UPDATE rule SET changed_at = %(time)s",
    "UPDATE duty_plan SET created_at = %(time)s",
    "UPDATE calibration SET created_at = %(time)s",
    "UPDATE maintenance SET created_at = %(time)s",
)


def new_signing_key(folder: Path) -> SigningKey:
    """Return a new key that signs dossiers."""
    path = folder / "dossier.key"
    create_key_file(path)
    return SigningKey.from_pem(path.read_text())


@dataclass(slots=True)
class StoredCloudburst:
    """A cloudburst that is stored: virtual devices, the real intake, all stages, the database."""

    database: str
    run: StoredRun
    day: ScenarioDay

    @property
    def now(self) -> Instant:
        """The virtual time."""
        return self.day.now

    async def advance(self, duration: Duration, step: Duration = STEP) -> None:
        """Let time pass, and store what happens."""
        for _ in self.day.advance(self.day.now + duration, step):
            pass
        await self.run.store()

    def events(self, alarm: str = ALARM) -> list[AlarmEvent]:
        """Return the events of an alarm."""
        return self.run.alarm_events(alarm)

    async def acknowledge(self, actor: str, text: str) -> None:
        """Acknowledge the alarm."""
        event = self.events()[-1]
        self.run.pipeline.send_command(
            AlarmCommand(
                f"command-{self.now}",
                event.alarm,
                event.entity,
                "acknowledge",
                actor,
                self.now,
                0,
                None,
                text,
            )
        )
        await self.run.store()

    async def notify(self, contact: str, *, delay: Duration = SECOND) -> NotificationEvent:
        """Store that a person was told of the incident."""
        incident = self.run.pipeline.incidents[-1].incident
        due = self.now + delay
        event = NotificationEvent(
            version=2,
            notification=f"{incident}~0~0~{contact}~mail",
            revision=1,
            incident=incident,
            kind="alarm",
            round=0,
            step=0,
            contact=contact,
            channel="mail",
            outcome="sent",
            attempt=1,
            time=due + SECOND,
            due_time=due,
            title="High water",
            detail="",
        )
        batch = LogBatch("duty-log")
        batch.add(LogRecord(topics.NOTIFICATIONS, 0, 0, 0, NOTIFICATIONS.encode(event)))
        writer = BatchWriter(self.database, HistorianMetrics())
        await writer.store(batch)
        await writer.close()
        return event

    async def dossier(
        self, key: SigningKey, *, alarm: str = ALARM, at: Instant | None = None, occurrence: int | None = None
    ) -> MadeDossier:
        """Return the dossier of an alarm."""
        request = DossierRequest(alarm, at if at is not None else self.now, occurrence)
        async with await connect(self.database, role="test") as connection:
            made = await make_dossier(
                connection, self.run.model.city.id, self.run.pipeline.partitions, request, key
            )
        assert made is not None, f"nothing is stored of {alarm}"
        return made


@asynccontextmanager
async def stored_cloudburst(
    database: str, chosen: Callable[[Sensor], bool] = lambda sensor: sensor.id == GAUGE
) -> AsyncIterator[StoredCloudburst]:
    """Provide the city in a database at the beginning of a cloudburst; only the chosen sensors send."""
    plan = read_city(default_city())
    reachable = tuple(
        structs.replace(one, addresses={"mail": f"{one.id}@private.example"}) for one in plan.duty.contacts
    )
    plan = replace(plan, duty=structs.replace(plan.duty, contacts=reachable))
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, plan)
        for statement in _MADE_EARLIER:
            await connection.execute(statement, {"time": to_datetime(START - DAY)})
        await connection.commit()
        model = await load_model(connection, plan.city.id)
    run = StoredRun(model, database, PARTITIONS)
    day = ScenarioDay("cloudburst", 1, START, chosen, stages=run.pipeline)
    try:
        yield StoredCloudburst(database, run, day)
    finally:
        await run.close()


def resigned(data: bytes, key: SigningKey, changes: Mapping[str, bytes]) -> bytes:
    """Return a dossier with other documents, signed by a key as if they were the true ones."""
    documents = {**unpack(data), **changes}
    signature_and_manifest = {MANIFEST, SIGNATURE}
    content = {path: one for path, one in documents.items() if path not in signature_and_manifest}
    manifest: dict[str, Any] = msgspec.json.decode(documents[MANIFEST])
    encoded = encode_document({**manifest, "contents": contents_of(content)})
    return pack({**content, MANIFEST: encoded, SIGNATURE: key.sign(encoded, "json").encode()})


def lines_of(data: bytes, path: str) -> list[dict[str, Any]]:
    """Return the lines of a document of a dossier."""
    return [msgspec.json.decode(line) for line in unpack(data)[path].splitlines()]


def written(lines: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> bytes:
    """Return lines as a document."""
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
