"""`livetwin replay`."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from cli.runner import read_settings, run_until_signal
from ingest.decoders import registry
from ingest.pipeline.mapping import DeviceMap
from runtime.clock import system_clock
from runtime.telemetry.logs import configure_logging
from simulators.replay.player import play
from simulators.replay.recorded_data import ReadOptions, RecordedData, RecordingError, Sample
from simulators.replay.recording import Recording, build_recording, read_files
from simulators.settings import SimulatorSettings
from storage.database import connect
from storage.model.model_store import load_model
from storage.queries import query
from twin.errors import ServiceError
from twin.model.city_model import CityModel


class _Speed(click.ParamType):
    name = "X|max"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if value == "max":
            return 0.0
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not 0.0 < speed < float("inf"):
            self.fail(f"found {value!r}, expected 'max' or a number above 0 such as 60", param, ctx)
        return speed


class _Zone(click.ParamType):
    name = "zone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            self.fail(f"found {value!r}, expected an IANA name such as Europe/Amsterdam", param, ctx)
        return str(value)


@click.command("replay")
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--speed", type=_Speed(), default="1", show_default=True, help="Times as fast as recorded.")
@click.option("--sensor", help="Sensor that everything is of.")
@click.option("--map", "maps", metavar="LOCATION=SENSOR", multiple=True, help="Sensor of a location.")
@click.option(
    "--field", "fields", metavar="[NAME=]FIELD", multiple=True, help="Field of all values, or of a column."
)
@click.option("--unit", help="UCUM unit of all values; by default the one that the city folder names.")
@click.option("--timezone", type=_Zone(), help="Zone of times that say no offset.")
@click.option("--missing", metavar="TEXT", multiple=True, help="A further text that means no value.")
@click.option("--time-column", metavar="NAME", help="CSV column with the times.")
@click.option("--sensor-column", metavar="NAME", help="CSV column with the sensors.")
@click.option("--value-column", metavar="NAME", help="CSV column with the values.")
@click.option("--shift", type=click.Choice(["now"]), help="Move the recording so that it ends now.")
@click.option("--city", help="Id of the city; LIVETWIN_CITY by default.")
@click.option("--mqtt-host", help="Host of the MQTT broker.")
@click.option("--mqtt-port", type=click.IntRange(1, 65535), help="Port of the MQTT broker.")
@click.option(
    "--ports-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ports file of `livetwin up`, for its broker and its city.",
)
def command(files: Sequence[Path], speed: float, **options: Any) -> None:
    """Play recorded feeds to MQTT: CSV, JSON lines or FEWS PI XML (docs/simulators.md)."""
    ports = _ports(options["ports_file"])
    settings = _settings(options, ports)
    fields, field = _names("--field", options["fields"], alone=True)
    read = ReadOptions(
        sensor=options["sensor"],
        sensors=_names("--map", options["maps"])[0],
        field=field,
        fields=fields,
        timezone=options["timezone"],
        missing=frozenset(options["missing"]),
        **{name: options[name] for name in ("time_column", "sensor_column", "value_column")},
    )
    contents = read_files(files, read)
    recording = build_recording(
        contents,
        city=options["city"] or _known_city(contents, ports) or settings.city,
        unit=options["unit"],
        end=system_clock() if options["shift"] else None,
    )
    configure_logging("replay", "WARNING")
    run_until_signal(lambda: _play(recording, settings, speed or None))
    if "database" not in ports:
        click.echo("What the city does not know of it is in quarantine: GET /v1/quarantine tells.")


def _known_city(contents: RecordedData, ports: Mapping[str, Any]) -> str | None:
    """Return the city that runs with this ports file, None without one; tell what it does not know."""
    if "database" not in ports:
        return None
    model = asyncio.run(load_served_city(ports["database"]))
    for line in unmapped_lines(contents.samples, model):
        click.echo(f"warning: {line}", err=True)
    return model.city.id


async def _play(recording: Recording, settings: SimulatorSettings, speed: float | None) -> None:
    click.echo(await play(recording.messages, settings, speed=speed, on_progress=click.echo))
    for (sensor, reason), count in sorted(recording.skipped.items()):
        click.echo(f"  {sensor}: {count} values not sent, {reason}")


def _names(option: str, words: Sequence[str], *, alone: bool = False) -> tuple[dict[str, str], str | None]:
    """Return the pairs of an option, and the word without a name where there may be one."""
    pairs: dict[str, str] = {}
    whole: str | None = None
    for word in words:
        name, sign, target = word.rpartition("=")
        if not target or (sign and not name) or (not sign and (not alone or whole is not None)):
            raise click.UsageError(f"{option} {word!r}: expected NAME=TARGET")
        if sign:
            pairs[name] = target
        else:
            whole = target
    return pairs, whole


def _settings(options: Mapping[str, Any], ports: Mapping[str, Any]) -> SimulatorSettings:
    """Return the settings from the environment, with what the command line says in their place."""
    changed = {
        "mqtt_host": options["mqtt_host"],
        "mqtt_port": options["mqtt_port"] or ports.get("mqtt"),
        "city": options["city"],
    }
    settings = read_settings(SimulatorSettings)
    return settings.model_copy(update={name: value for name, value in changed.items() if value})


def _ports(path: Path | None) -> dict[str, Any]:
    """Return what a ports file says; nothing without one."""
    if path is None:
        return {}
    try:
        ports: dict[str, Any] = json.loads(path.read_bytes())
        return {**ports, "mqtt": int(ports["mqtt"])}
    except (ValueError, KeyError, TypeError) as error:
        raise click.UsageError(
            f"{path} has no port 'mqtt': is it the ports file of `livetwin up`?"
        ) from error


# What a city knows of a recording, told before it is played: sensors and fields without a place in it.

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
