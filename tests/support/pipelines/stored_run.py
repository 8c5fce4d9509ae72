"""A run of all stages whose log is stored, and whose repairs are processed, as the historian does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta

from runtime.kafka import topics
from storage.database import Connection, connect
from storage.historian.batch_writer import BatchWriter
from storage.historian.log_batch import LogBatch, LogRecord
from storage.historian.metrics import HistorianMetrics
from storage.history.backtest import backtest_rules
from storage.history.baseline_seed import read_baselines
from storage.history.condition_reader import read_corrections
from storage.maintenance.alarm_repair import repair_alarms
from storage.maintenance.area_repair import AreaRepairs
from storage.maintenance.log_end import LogEnd, StoredUntil
from storage.maintenance.log_sender import RepairRecord, point_records, repaired_area_records
from storage.maintenance.repair import prepare_repairs, repair_hours
from storage.maintenance.series_repair import repair_series
from storage.stores.alarms import read_alarm_episodes
from storage.stores.state_seed import read_state_seed
from stream.engine.stage_seed import StageSeed, stage_seed_of
from tests.support.database.role_accounts import role_dsn
from tests.support.pipelines.stage_pipeline import StagePipeline
from twin.alarms.evaluation.alarm_correction import AlarmCorrection
from twin.alarms.messages import AlarmEvent, alarm_id
from twin.alarms.severity import Severity
from twin.backtest.firing import Firing
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.state.datastream_state import SEED_MAX
from twin.wire.messages import AreaInput, SeriesPoint

STORED = (topics.OBSERVATIONS, topics.UPDATES, topics.AGGREGATES, topics.ALARMS)

ROUNDS_MAX = 50

Fact = tuple[str, Instant, Instant | None, str]


_ENTITY = "INSERT INTO entity (id, type, name, attributes, relations) VALUES (%s, %s, %s, '{}', '[]')"
_SENSOR = (
    "INSERT INTO sensor (id, feed, device, entity_id, interval, personal) VALUES (%s, %s, %s, %s, %s, false)"
)
_DATASTREAM = """
INSERT INTO datastream (id, sensor_id, entity_id, property, field, unit, scale, "offset", interval)
VALUES (%s, %s, %s, %s, '', '', 1.0, 0.0, %s)
"""

# What they wait for, by the clock of the database, is stored here before they are processed.
_SERIES_REPAIRS_ARE_SETTLED = "UPDATE series_repair_request SET requested_at = now() - interval '1 hour'"


async def store_datastreams(model: CityModel, database: str) -> None:
    """Store the part of a model that repairs of windows read: its datastreams."""
    async with await connect(database, role="test") as connection, connection.transaction():
        for entity in model.entities.values():
            await connection.execute(_ENTITY, (entity.id, entity.type, entity.name))
        for sensor in model.sensors.values():
            interval = timedelta(microseconds=sensor.interval)
            await connection.execute(
                _SENSOR, (sensor.id, sensor.feed, sensor.device, sensor.entity, interval)
            )
        for one in model.datastreams.values():
            interval = timedelta(microseconds=one.interval)
            await connection.execute(_DATASTREAM, (one.id, one.sensor, one.entity, one.property, interval))


class StoredRun:
    """All stages, and the database behind them. `store` and `repair` bring the database up to date."""

    def __init__(self, model: CityModel, database: str, partitions: int = 2) -> None:
        self.model = model
        self._database = role_dsn(database, "historian")
        self._logs = 0
        self.pipeline = StagePipeline(model, partitions=partitions, log="log-0")
        self._writer = BatchWriter(self._database, HistorianMetrics())
        self._stored: dict[tuple[str, int], int] = {}

    @property
    def log_id(self) -> str:
        """The identity of the present log."""
        return f"log-{self._logs}"

    async def store(self) -> None:
        """Store the records that are not stored yet."""
        batch = LogBatch(self.log_id)
        for topic in STORED:
            for number in range(self.pipeline.partitions):
                records = self.pipeline.records[topic, number]
                for offset in range(self._stored.get((topic, number), 0), len(records)):
                    batch.add(LogRecord(topic, number, offset, 0, records[offset]))
                self._stored[topic, number] = len(records)
        if batch.next_offsets:
            await self._writer.store(batch)

    async def end(self) -> LogEnd:
        """Return the end of the log."""
        return LogEnd(
            self.log_id, {f"{topic}/{number}": end for (topic, number), end in self._stored.items() if end}
        )

    async def send(self, corrections: Sequence[AlarmCorrection]) -> None:
        """Send corrections to the alarm stage."""
        self.pipeline.send_corrections(*corrections)

    async def send_area_inputs(self, inputs: Sequence[AreaInput]) -> None:
        """Send what areas say about entities below to the area stage."""
        self._send(repaired_area_records(inputs, self.pipeline.partitions))

    async def send_points(self, points: Sequence[SeriesPoint]) -> None:
        """Send points of series of entities to the entity stage."""
        self._send(point_records(points, self.pipeline.partitions))

    def _send(self, records: Iterable[RepairRecord]) -> None:
        for topic, number, value in records:
            self.pipeline.records[topic, number].append(value)
        self.pipeline.drain()

    async def repair(self) -> None:
        """Store everything, and process repairs until none is left."""
        async with await connect(self._database, role="test") as connection:
            await prepare_repairs(connection)
            for _ in range(ROUNDS_MAX):
                await self.store()
                processed = await repair_hours(connection, self.model.properties)
                async with connection.transaction():
                    await connection.execute(_SERIES_REPAIRS_ARE_SETTLED)
                processed += await repair_series(connection, self.model, self)
                processed += await AreaRepairs(self, StoredUntil(self)).run(connection, self.model)
                processed += await repair_alarms(connection, self.model, self, self.pipeline.time)
                if not processed and not await self._has_requests(connection):
                    return
        raise AssertionError(f"repairs do not end after {ROUNDS_MAX} rounds")

    async def _has_requests(self, connection: Connection) -> bool:
        async with connection.transaction():
            row = await (await connection.execute("SELECT count(*) FROM alarm_repair_request")).fetchone()
        return row is not None and bool(row[0])

    async def restart(self) -> None:
        """Lose the log, and begin another one from what is stored."""
        await self.store()
        await self._writer.close()
        self._logs += 1
        self._stored = {}
        self._writer = BatchWriter(self._database, HistorianMetrics())
        time = self.pipeline.time
        self.pipeline = StagePipeline(
            self.model, partitions=self.pipeline.partitions, knowledge=await self._seed(), log=self.log_id
        )
        self.pipeline.time = time
        self.pipeline.drain()

    async def _seed(self) -> StageSeed:
        async with await connect(self._database, role="test") as connection:
            seed = stage_seed_of(await read_state_seed(connection, self.log_id, SEED_MAX, self.model))
            baselines = await read_baselines(connection, self.model, seed.observations)
            corrections = await read_corrections(connection, self.model, seed.alarms)
        return seed._replace(baselines=baselines, corrections=corrections)

    async def close(self) -> None:
        """Close the connection of the historian."""
        await self._writer.close()

    async def episodes(self, start: Instant, end: Instant) -> list[Fact]:
        """Return the stored episodes of all rules on all entities."""
        alarms = [alarm_id(rule, entity) for rule in self.model.rules for entity in self.model.entities]
        async with await connect(self._database, role="test") as connection:
            return firing_facts(await read_alarm_episodes(connection, alarms, start, end))

    async def backtest(self, start: Instant, end: Instant) -> list[Fact]:
        """Return the firings of all rules in a back-test."""
        rules = list(self.model.rules.values())
        async with await connect(self._database, role="test") as connection:
            found = await backtest_rules(connection, rules, self.model, (start, end), Severity.WARNING)
        return firing_facts(firing for result in found for firing in result.firings)

    def kinds(self, alarm: str) -> list[str]:
        """Return the kinds of the events of an alarm on the present log."""
        return [event.kind for event in self.alarm_events(alarm)]

    def alarm_events(self, alarm: str) -> list[AlarmEvent]:
        """Return the events of an alarm on the present log."""
        return [event for event in self.pipeline.alarms if event.alarm == alarm]


def firing_facts(firings: Iterable[Firing]) -> list[Fact]:
    """Return alarm, times and severity of firings, sorted."""
    return sorted(
        ((one.alarm, one.raised, one.returned, one.severity.word) for one in firings),
        key=lambda fact: (fact[0], fact[1]),
    )
