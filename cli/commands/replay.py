"""`livetwin replay`: play recorded feeds to MQTT."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from cli.runner import read_settings, run_until_signal
from cli.supervisor.ports_file import read_ports_file
from ingest.decoders import registry
from ingest.pipeline.mapping import DeviceMap, MappedDevice
from runtime.clock import system_clock
from runtime.telemetry.logs import configure_logging
from simulators.replay.player import Playing, play
from simulators.replay.recorded_data import ReadOptions, RecordedData, RecordingError, Sample
from simulators.replay.recording import Recording, build_recording, read_files
from simulators.settings import SimulatorSettings
from storage.database import connect
from storage.model.model_store import load_model
from storage.queries import query
from twin.errors import ServiceError
from twin.model.city_model import CityModel

NATIVE_FEED = "native"
LINES_MAX = 10


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
@click.option(
    "--speed",
    type=_Speed(),
    help="Speed relative to the recording, or `max`; by default 1, of a correction `max`.",
)
@click.option(
    "--correction",
    is_flag=True,
    help="The values correct what is stored: they are received now, and were not known before. By default "
    "the recording is history: received at its own times.",
)
@click.option(
    "--any-age",
    is_flag=True,
    help="With --correction: accept values older than the limit of their property (`ageMax`); needs "
    "LIVETWIN_ACCEPT_REPLAY.",
)
@click.option("--sensor", help="Sensor of all values.")
@click.option("--map", "maps", metavar="LOCATION=SENSOR", multiple=True, help="Sensor of a location.")
@click.option(
    "--field", "fields", metavar="[NAME=]FIELD", multiple=True, help="Field of all values, or of a column."
)
@click.option("--unit", help="UCUM unit of all values; by default the one that the city folder names.")
@click.option("--timezone", type=_Zone(), help="Time zone of times without a UTC offset.")
@click.option("--missing", metavar="TEXT", multiple=True, help="Additional text for a missing value.")
@click.option("--time-column", metavar="NAME", help="CSV column of the times.")
@click.option("--sensor-column", metavar="NAME", help="CSV column of the sensors.")
@click.option(
    "--sensor-from-name",
    is_flag=True,
    help="The sensor of a CSV file without such a column is its name, without the extension.",
)
@click.option("--value-column", metavar="NAME", help="CSV column of the values.")
@click.option("--shift", type=click.Choice(["now"]), help="Shift all times so that the recording ends now.")
@click.option("--city", help="Id of the city; LIVETWIN_CITY by default.")
@click.option("--mqtt-host", help="Host of the MQTT broker.")
@click.option("--mqtt-port", type=click.IntRange(1, 65535), help="Port of the MQTT broker.")
@click.option(
    "--ports-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Ports file of `livetwin up`, which has the broker and the city.",
)
def command(files: Sequence[Path], speed: float | None, **options: Any) -> None:
    """Play recorded feeds to MQTT: CSV, JSON lines or FEWS PI XML (docs/how-to/simulators.md).

    One call plays many files, in the order of their times.
    """
    playing = _playing(options)
    ports = _ports(options["ports_file"])
    settings = _settings(options, ports)
    fields, field = _names("--field", options["fields"], allow_default=True)
    read_options = ReadOptions(
        sensor=options["sensor"],
        sensor_from_name=options["sensor_from_name"],
        sensors=_names("--map", options["maps"])[0],
        field=field,
        fields=fields,
        timezone=options["timezone"],
        missing=frozenset(options["missing"]),
        **{name: options[name] for name in ("time_column", "sensor_column", "value_column")},
    )
    data = read_files(files, read_options)
    recording = build_recording(
        data,
        correction=playing.correction,
        city=options["city"] or _running_city(data, ports) or settings.city,
        unit=options["unit"],
        end=system_clock() if options["shift"] else None,
    )
    configure_logging("replay", "WARNING")
    if speed is None and not playing.correction:
        speed = 1.0
    run_until_signal(lambda: _play(recording, settings, playing, speed or None))
    if "database" not in ports:
        click.echo("Messages of unknown sensors and fields are in quarantine: see GET /v1/quarantine.")


def _running_city(data: RecordedData, ports: Mapping[str, Any]) -> str | None:
    """Return the city of the ports file, or None without one; warn of values that the city does not map."""
    if "database" not in ports:
        return None
    model = asyncio.run(load_served_city(ports["database"]))
    for line in unmapped_lines(data.samples, model):
        click.echo(f"warning: {line}", err=True)
    return model.city.id


def _playing(options: Mapping[str, Any]) -> Playing:
    """Return how to play; raise UsageError for options that exclude each other."""
    if options["correction"] and options["shift"]:
        raise click.UsageError("--correction corrects values at their own times: omit --shift")
    if options["any_age"] and not options["correction"]:
        raise click.UsageError(
            "--any-age needs --correction; history is received at its own times, so its values have no age"
        )
    return Playing(started=system_clock(), correction=options["correction"], any_age=options["any_age"])


async def _play(
    recording: Recording, settings: SimulatorSettings, playing: Playing, speed: float | None
) -> None:
    click.echo(await play(recording.messages, settings, playing=playing, speed=speed, on_progress=click.echo))
    for (sensor, reason), count in sorted(recording.skipped.items()):
        click.echo(f"  {sensor}: {count} values not sent, {reason}")


def _names(
    option: str, arguments: Sequence[str], *, allow_default: bool = False
) -> tuple[dict[str, str], str | None]:
    """Return the NAME=TARGET pairs of an option, and the single TARGET without a name, if allowed."""
    pairs: dict[str, str] = {}
    default: str | None = None
    for argument in arguments:
        name, sign, target = argument.rpartition("=")
        if not target or (sign and not name) or (not sign and (not allow_default or default is not None)):
            raise click.UsageError(f"{option} {argument!r}: expected NAME=TARGET")
        if sign:
            pairs[name] = target
        else:
            default = target
    return pairs, default


def _settings(options: Mapping[str, Any], ports: Mapping[str, Any]) -> SimulatorSettings:
    """Return the settings from the environment, overridden by the options of the command line."""
    changed = {
        "mqtt_host": options["mqtt_host"],
        "mqtt_port": options["mqtt_port"] or ports.get("mqtt"),
        "city": options["city"],
    }
    settings = read_settings(SimulatorSettings)
    return settings.model_copy(update={name: value for name, value in changed.items() if value})


def _ports(path: Path | None) -> dict[str, Any]:
    """Return the content of a ports file; an empty dict without one."""
    if path is None:
        return {}
    try:
        ports = read_ports_file(path)
        return {**ports, "mqtt": int(ports["mqtt"])}
    except (ValueError, KeyError, TypeError) as error:
        raise click.UsageError(
            f"{path} has no port 'mqtt': is it the ports file of `livetwin up`?"
        ) from error


async def load_served_city(dsn: str) -> CityModel:
    """Return the city that a database serves. Raises ServiceError."""
    async with await connect(dsn, role="replay") as connection:
        async with connection.transaction():
            row = await (await connection.execute(query("model/city/list_cities"))).fetchone()
        if row is None:
            raise ServiceError("the database has no city; run `livetwin apply` with a city folder")
        return await load_model(connection, str(row[0]))


def unmapped_lines(samples: Iterable[Sample], model: CityModel) -> list[str]:
    """Return a warning for each unknown sensor of a recording, and for each unmapped field.

    Raises RecordingError when the city maps none of the samples.
    """
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        counts[sample.sensor][sample.field] += 1
    decoders = registry()
    devices = DeviceMap(model, decoders, partitions=1)
    lines: list[str] = []
    any_mapped = False
    for sensor, fields in sorted(counts.items()):
        device = devices.find(decoders[NATIVE_FEED].feeds, sensor)
        if device is None:
            lines.append(_unknown_sensor(sensor, fields, model))
            continue
        for field, count in sorted(fields.items()):
            if field in device.targets:
                any_mapped = True
                continue
            if field in device.condition_fields:
                continue
            lines.append(_unmapped_field(sensor, field, count, device))
    if counts and not any_mapped:
        raise RecordingError("the city maps no value of the recording: " + "; ".join(_first_lines(lines)))
    return _first_lines(lines)


def _unknown_sensor(sensor: str, fields: Mapping[str, int], model: CityModel) -> str:
    found = f"{sensor} ({sum(fields.values())} values)"
    known = model.sensors.get(sensor)
    if known is None:
        return (
            f"{found} is no sensor of {model.city.id}: add it to sensors.yaml with feed native, or map it "
            f"with --map {sensor}=SENSOR"
        )
    if known.feed == NATIVE_FEED:
        return f"{found} has the device name {known.device}: use --map {sensor}={known.device}"
    return (
        f"{found} has feed {known.feed}, but a recording is played to sensors of feed {NATIVE_FEED}: use "
        f"--map {sensor}=SENSOR"
    )


def _unmapped_field(sensor: str, field: str, count: int, device: MappedDevice) -> str:
    """Return a warning that proposes no mapping: a column of another quantity must not become values."""
    observed = ", ".join(
        f"{name} ({target.property.name}, {target.datastream.unit})"
        for name, targets in sorted(device.targets.items())
        for target in targets
    )
    return (
        f"{sensor} observes {observed or 'nothing'}; the {count} values of {field} are not stored. "
        f"If {field} is one of these quantities in this unit, name it with --field {field}=NAME; to store "
        "another quantity, add it to `observes` of the sensor; else ignore this"
    )


def _first_lines(lines: list[str]) -> list[str]:
    more = len(lines) - LINES_MAX
    return lines if more <= 0 else [*lines[:LINES_MAX], f"and {more} more"]
