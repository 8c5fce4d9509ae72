"""The options of `livetwin up`, and the environment variables of its roles."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from runtime.secret_files import FILE_SUFFIX

# Partitions divide work among processes. Here each role is one process: more would only mean more records.
PARTITIONS = 1

# Encoding a bucket of a checkpoint blocks the stream: many small buckets spread that over time.
BUCKETS = 64

# Kafka detects a dead worker after this time.
STREAM_SESSION_S = 2

# Messages that may await storage: at ten thousand messages a second, those of one second.
_RECEIVE_STORED_MAX = "10000"

MESSAGE_FILE = "messages.txt"
"""In the data dir: the messages of the log channel with their links."""

DEFAULT_DATA_DIR = Path(".livetwin")
DEFAULT_LOG_MIB_MAX = 256

# The embedded system has its own values for these secrets.
_UNUSED = {
    "LIVETWIN_DATABASE",
    "LIVETWIN_DATABASE_FILE",
    "LIVETWIN_DOSSIER_KEY_FILE",
    "LIVETWIN_PUSH_KEY_FILE",
    "LIVETWIN_LINK_KEY_FILE",
    "LIVETWIN_OPERATOR_KEY_FILE",
    "LIVETWIN_PSEUDONYM_KEY_FILE",
}

# Only the api needs it.
_REPLY_KEY = "LIVETWIN_REPLY_KEY"

# The embedded broker, log and API listen on loopback, without TLS.
_NO_TLS = ("LIVETWIN_MQTT_TLS", "LIVETWIN_KAFKA_", "LIVETWIN_TLS_")

_INGEST = {
    # `livetwin replay` sends the reception time of each message; only local programs reach the broker.
    "LIVETWIN_ACCEPT_REPLAY": "true",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UpOptions:
    """The options of `livetwin up`; port 0 means any free port."""

    city: Path
    data_dir: Path
    port: int
    mqtt_port: int
    kafka_port: int
    postgres_port: int
    simulate: bool
    simulator: Mapping[str, str]  #: environment variables of the simulator, such as speed and seed
    acknowledge: str | None  #: `logged` or `stored`; None: LIVETWIN_ACKNOWLEDGE decides
    ports_file: Path | None
    log_bytes_max: int
    verbose: bool
    metrics_port: int | None = None  #: first metrics port; the roles use the next ones; None: no metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSecrets:
    """The keys of an embedded system, and the environment variables with secrets of the duty plan."""

    pseudonym_key: str
    operator_key: str
    link_key: str
    mqtt_client_id: str  #: of ingest
    dossier_key: str
    push_key: str
    channel_variables: frozenset[str]  #: names of environment variables
    reply_variables: frozenset[str] = frozenset()  #: those of addresses from which contacts reply


def role_environments(
    *,
    options: UpOptions,
    city: str,
    data_dir: Path,
    kafka: str,
    databases: Mapping[str, str],
    mqtt_port: int,
    http_port: int,
    secrets: SystemSecrets,
) -> dict[str, dict[str, str]]:
    """Return the settings of each role as environment variables.

    `databases` has the connection URI of each role that uses the database. LIVETWIN_* and OTEL_* of the
    caller are passed on, unless the embedded system sets them. Each secret, and each variable that the duty
    plan names, goes only to the role that needs it.
    """
    inherited = _inherited_variables()
    shared = {
        **inherited,
        "LIVETWIN_CITY": city,
        "LIVETWIN_KAFKA": kafka,
        "LIVETWIN_PARTITIONS": str(PARTITIONS),
        "LIVETWIN_STATE_DIR": str(data_dir / "state"),
    }
    mqtt = {"LIVETWIN_MQTT_HOST": "127.0.0.1", "LIVETWIN_MQTT_PORT": str(mqtt_port)}
    http = {"LIVETWIN_PORT": str(http_port), "LIVETWIN_OPERATOR_KEY": secrets.operator_key}
    dossiers = {"LIVETWIN_DOSSIER_KEY": secrets.dossier_key}
    replies = _secret_variables({*secrets.reply_variables, _REPLY_KEY})
    links = {"LIVETWIN_LINK_KEY": secrets.link_key, "LIVETWIN_PUSH_KEY": secrets.push_key}
    # Allow receivers of webhooks, providers and rosters on this machine, since the whole system runs on it.
    sinks = {"LIVETWIN_SINK_NETWORKS": inherited.get("LIVETWIN_SINK_NETWORKS", "127.0.0.0/8,::1/128")}
    base_url = {"LIVETWIN_BASE_URL": inherited.get("LIVETWIN_BASE_URL", f"http://localhost:{http_port}")}
    environments = {
        "ingest": {
            **shared,
            **mqtt,
            # Mosquitto 2.0 does not save shared subscriptions: after its restart, messages that arrive before
            # ingest reconnects would have no subscriber. There is one ingest, so an ordinary subscription,
            # which Mosquitto does save, suffices.
            "LIVETWIN_MQTT_SHARE": "",
            "LIVETWIN_MQTT_CLIENT_ID": inherited.get("LIVETWIN_MQTT_CLIENT_ID", secrets.mqtt_client_id),
            **_ingest_variables(options.acknowledge, inherited),
            "LIVETWIN_PSEUDONYM_KEY": secrets.pseudonym_key,
        },
        "stream": {**shared, **_STREAM},
        "historian": {**shared},
        "alerting": {
            **_secret_variables(secrets.channel_variables),
            **shared,
            **mqtt,
            **sinks,
            **links,
            **base_url,
            "LIVETWIN_MESSAGE_FILE": inherited.get("LIVETWIN_MESSAGE_FILE", str(data_dir / MESSAGE_FILE)),
        },
        "outlets": {**shared, **mqtt, **sinks, **base_url},
        "api": {**replies, **shared, **sinks, **links, **base_url, **dossiers, **http},
    }
    if options.simulate:
        environments["simulate"] = {**shared, **mqtt, **options.simulator}
    for role, database in databases.items():
        environments[role]["LIVETWIN_DATABASE"] = database
    return environments


_STREAM = {"LIVETWIN_SESSION_TIMEOUT_S": str(STREAM_SESSION_S), "LIVETWIN_BUCKETS": str(BUCKETS)}


def _inherited_variables() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(("LIVETWIN_", "OTEL_"))
        and name not in _UNUSED
        and not name.startswith((*_NO_TLS, _REPLY_KEY))
    }


def _secret_variables(names: Iterable[str]) -> dict[str, str]:
    with_files = [variable for name in sorted(names) for variable in (name, name + FILE_SUFFIX)]
    return {name: os.environ[name] for name in with_files if name in os.environ}


def _ingest_variables(acknowledge: str | None, inherited: Mapping[str, str]) -> dict[str, str]:
    after = acknowledge or inherited.get("LIVETWIN_ACKNOWLEDGE")
    if after != "stored":
        return {**_INGEST, **({"LIVETWIN_ACKNOWLEDGE": after} if after is not None else {})}
    receive_max = inherited.get("LIVETWIN_RECEIVE_MAX", _RECEIVE_STORED_MAX)
    return {**_INGEST, "LIVETWIN_ACKNOWLEDGE": after, "LIVETWIN_RECEIVE_MAX": receive_max}
