"""What a city knows of a recording, told before it is played: sensors and fields without a place in it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from ingest.decoders import registry
from ingest.pipeline.mapping import DeviceMap
from simulators.replay.recorded_data import RecordingError, Sample
from storage.database import connect
from storage.model.model_store import load_model
from storage.queries import query
from twin.errors import ServiceError
from twin.model.city_model import CityModel

NATIVE_FEED = "native"
LINES_MAX = 10


async def load_served_city(dsn: str) -> CityModel:
    """Return the city that a database serves. Raises ServiceError."""
    async with await connect(dsn, role="replay") as connection:
        async with connection.transaction():
            row = await (await connection.execute(query("model/list_cities"))).fetchone()
        if row is None:
            raise ServiceError("the database has no city yet; run `livetwin apply` with its folder")
        return await load_model(connection, str(row[0]))


def unmapped_lines(samples: Iterable[Sample], model: CityModel) -> list[str]:
    """Return a line for each sensor of a recording that the city does not know, and for each unmapped field.

    Raises RecordingError when there is no place for any of it.
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for one in samples:
        counts[one.sensor][one.field] += 1
    decoders = registry()
    devices = DeviceMap(model, decoders, partitions=1)
    lines: list[str] = []
    useful = False
    for sensor, fields in sorted(counts.items()):
        device = devices.find(decoders[NATIVE_FEED].feeds, sensor)
        if device is None:
            lines.append(_unknown_sensor(sensor, fields, model))
            continue
        for field, count in sorted(fields.items()):
            if field in device.targets:
                useful = True
                continue
            known = sorted(device.targets)
            lines.append(
                f"{sensor} observes {', '.join(known)}, the recording holds {count} values of {field}: say "
                f"--field {field}={known[0]}, or add it to what the sensor observes"
            )
    if counts and not useful:
        raise RecordingError("nothing in the recording has a place in the city: " + "; ".join(_some(lines)))
    return _some(lines)


def _unknown_sensor(sensor: str, fields: Mapping[str, int], model: CityModel) -> str:
    told = f"{sensor} ({sum(fields.values())} values)"
    known = model.sensors.get(sensor)
    if known is None:
        return (
            f"{told} is no sensor of {model.city.id}: add it to sensors.yaml with feed native, or say which "
            f"one it is with --map {sensor}=SENSOR"
        )
    if known.feed == NATIVE_FEED:
        return f"{told} is called {known.device} by its feed: say --map {sensor}={known.device}"
    return (
        f"{told} is a sensor of feed {known.feed}, and a recording is played to those of feed "
        f"{NATIVE_FEED}: say "
        f"which with --map {sensor}=SENSOR"
    )


def _some(lines: list[str]) -> list[str]:
    more = len(lines) - LINES_MAX
    return lines if more <= 0 else [*lines[:LINES_MAX], f"and {more} more such"]
