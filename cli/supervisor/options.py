"""What `livetwin up` was asked for, and the environment that its roles get."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.secret_files import FILE_SUFFIX

# Partitions divide work among processes, and here each role is one: more would only cost records.
PARTITIONS = 1

# While an entry of a checkpoint is encoded the stream rests: so many small entries, spread over time.
BUCKETS = 64

# A worker that dies is missed after so long.
STREAM_SESSION_S = 2

# As many as may wait to be stored: at ten thousand messages a second, a second's.
_RECEIVE_STORED_MAX = "10000"

DEFAULT_DATA_DIR = Path(".livetwin")
DEFAULT_LOG_MIB_MAX = 256

# Of secrets that are the embedded system's own.
_FILES_UNUSED = {
    "LIVETWIN_DATABASE_FILE",
    "LIVETWIN_LINK_KEY_FILE",
    "LIVETWIN_OPERATOR_KEY_FILE",
    "LIVETWIN_PSEUDONYM_KEY_FILE",
}

# Its broker, its log and its api are on loopback, and do not speak TLS.
_NO_TLS = ("LIVETWIN_MQTT_TLS", "LIVETWIN_KAFKA_", "LIVETWIN_TLS_")

_INGEST = {
    # `livetwin replay` brings the time of a recording along; only programs here reach the broker.
    "LIVETWIN_ACCEPT_REPLAY": "true",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """The options of `livetwin up`; a port of 0 means any free one."""

    city: Path
    data_dir: Path
    port: int
    mqtt_port: int
    kafka_port: int
    postgres_port: int
    simulate: bool
    simulator: Mapping[str, str]  #: variables of the simulator: speed, seed, start of its clock
    acknowledge: str | None  #: `logged` or `stored`; None: as the environment says
    ports_file: Path | None
    log_bytes_max: int
    verbose: bool
    metrics_port: int | None = None  #: of `up`, its roles have those that follow; None: no metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSecrets:
    """The keys of an embedded system, and which variables of the caller hold those of the duty plan."""

    pseudonym_key: str
    operator_key: str
    link_key: str
    channel_variables: frozenset[str]  #: names of variables


def role_environments(
    *,
    options: UpOptions,
    city: str,
    data_dir: Path,
    kafka: str,
    database: str,
    mqtt_port: int,
    http_port: int,
    secrets: SystemSecrets,
) -> dict[str, dict[str, str]]:
    """Return the settings of each role as environment variables.

    What the caller's environment says about LIVETWIN_* and OTEL_* is passed on, except where the embedded
    system knows better; a secret goes only to the role that needs it, and so do the variables that the duty
    plan names.
    """
    ours = _passed_on()
    shared = {
        **ours,
        "LIVETWIN_CITY": city,
        "LIVETWIN_KAFKA": kafka,
        "LIVETWIN_PARTITIONS": str(PARTITIONS),
        "LIVETWIN_DATABASE": database,
        "LIVETWIN_STATE_DIR": str(data_dir / "state"),
    }
    mqtt = {"LIVETWIN_MQTT_HOST": "127.0.0.1", "LIVETWIN_MQTT_PORT": str(mqtt_port)}
    http = {"LIVETWIN_PORT": str(http_port), "LIVETWIN_OPERATOR_KEY": secrets.operator_key}
    links = {"LIVETWIN_LINK_KEY": secrets.link_key}
    # Receivers of webhooks on this machine, too: everything else of the system is here.
    sinks = {"LIVETWIN_SINK_NETWORKS": ours.get("LIVETWIN_SINK_NETWORKS", "127.0.0.0/8,::1/128")}
    environments = {
        "ingest": {
            **shared,
            **mqtt,
            # Mosquitto 2.0 does not save shared subscriptions: after its restart, what devices send before
            # ingest is back would have no subscriber. The only ingest subscribes alone, and that is saved.
            "LIVETWIN_MQTT_SHARE": "",
            **_of_ingest(options.acknowledge, ours),
            "LIVETWIN_PSEUDONYM_KEY": secrets.pseudonym_key,
        },
        "stream": {**shared, **_OF_STREAM},
        "historian": shared,
        "alerting": {
            **_of_channels(secrets.channel_variables),
            **shared,
            **mqtt,
            **links,
            "LIVETWIN_BASE_URL": ours.get("LIVETWIN_BASE_URL", f"http://localhost:{http_port}"),
        },
        "outlets": {**shared, **mqtt, **sinks},
        "api": {**shared, **sinks, **links, **http},
    }
    if options.simulate:
        environments["simulate"] = {**shared, **mqtt, **options.simulator}
    return environments


_OF_STREAM = {"LIVETWIN_SESSION_TIMEOUT_S": str(STREAM_SESSION_S), "LIVETWIN_BUCKETS": str(BUCKETS)}


def _passed_on() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("LIVETWIN_", "OTEL_"))
        and name not in _FILES_UNUSED
        and not name.startswith(_NO_TLS)
    }


def _of_channels(names: Iterable[str]) -> dict[str, str]:
    both = [one for name in sorted(names) for one in (name, name + FILE_SUFFIX)]
    return {name: os.environ[name] for name in both if name in os.environ}


def _of_ingest(acknowledge: str | None, ours: Mapping[str, str]) -> dict[str, str]:
    how = acknowledge or ours.get("LIVETWIN_ACKNOWLEDGE")
    if how != "stored":
        return {**_INGEST, **({"LIVETWIN_ACKNOWLEDGE": how} if how is not None else {})}
    waiting = ours.get("LIVETWIN_RECEIVE_MAX", _RECEIVE_STORED_MAX)
    return {**_INGEST, "LIVETWIN_ACKNOWLEDGE": how, "LIVETWIN_RECEIVE_MAX": waiting}
