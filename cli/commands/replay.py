"""`livetwin replay`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from cli.recorded_sensors import load_served_city, unmapped_lines
from cli.runner import read_settings, run_until_signal
from runtime.clock import system_clock
from runtime.telemetry.logs import configure_logging
from simulators.replay.player import play
from simulators.replay.recorded_data import ReadOptions, RecordedData
from simulators.replay.recording import Recording, build_recording, read_files
from simulators.settings import SimulatorSettings


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
