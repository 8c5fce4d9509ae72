"""The check of the environment: every `LIVETWIN_*` variable must be one that LiveTwin reads.

Roles share one environment, so a variable may belong to any of them. Without this check a misspelt name would
leave its setting at the default, unnoticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from importlib import import_module

from runtime.secret_files import FILE_SUFFIX, is_secret
from runtime.settings import RoleSettings

PREFIX = "LIVETWIN_"

# Imported only when a variable is not a setting of the process at hand: some take 0.3 s.
SETTINGS_MODULES = (
    "alerting.settings",
    "api.settings",
    "ingest.settings",
    "outlets.settings",
    "simulators.settings",
    "storage.settings",
    "stream.settings",
)

COMPOSE_VARIABLES = frozenset(
    PREFIX + name
    for name in (
        "ALERTMANAGER_BIND",
        "CITY_DIR",
        "GRAFANA_BIND",
        "HTTP_BIND",
        "IMAGE",
        "IMAGE_ALERTMANAGER",
        "IMAGE_BASE",
        "IMAGE_GRAFANA",
        "IMAGE_KAFKA",
        "IMAGE_MOSQUITTO",
        "IMAGE_PROMETHEUS",
        "IMAGE_TIMESCALEDB",
        "KAFKA_CLUSTER_ID",
        "KAFKA_RETENTION_HOURS",
        "MQTTS_BIND",
        "MQTT_BIND",
        "OTLP_ENDPOINT",
        "PROJECT",
        "PROMETHEUS_BIND",
        "SECRETS",
    )
)
"""Variables of docker-compose.yml that are no settings; a user who exports `.env` has them, too."""

# The tests and the benchmarks have variables of their own.
_DEVELOPMENT = re.compile(rf"{PREFIX}(TEST_\w+|JOURNAL|SIMULATION_RUNS)")

# Kubernetes describes each Service to the containers of its namespace, such as one named `livetwin-api`.
_SERVICE_LINK = re.compile(
    rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_SERVICE_URL = re.compile(r"(tcp|udp|sctp)://")

_SIMILARITY_MIN = 0.6


def unknown_variable_errors(environment: Mapping[str, str], settings: type[RoleSettings]) -> list[str]:
    """Return a line for each `LIVETWIN_*` variable that nothing reads, with the nearest right name.

    `settings` are those of the process at hand.
    """
    own = set(setting_variables(settings))
    unknown = sorted(
        name
        for name, value in environment.items()
        if (upper := name.upper()).startswith(PREFIX) and upper not in own and not _is_foreign(upper, value)
    )
    if not unknown:
        return []
    known = own | known_variables()
    return [_error_line(name, known) for name in unknown if name.upper() not in known]


def known_variables() -> set[str]:
    """Return the variables of the settings of every role, and those of the compose file."""
    known = set(COMPOSE_VARIABLES)
    for module_name in SETTINGS_MODULES:
        for member in vars(import_module(module_name)).values():
            if isinstance(member, type) and issubclass(member, RoleSettings):
                known.update(setting_variables(member))
    return known


def setting_variables(settings: type[RoleSettings]) -> Iterator[str]:
    """Yield the variables of a settings class; a secret may also come from the file that a variable names."""
    for name, field in settings.model_fields.items():
        variable = PREFIX + name.upper()
        yield variable
        if is_secret(field):
            yield variable + FILE_SUFFIX


def _is_foreign(name: str, value: str) -> bool:
    return (
        _DEVELOPMENT.fullmatch(name) is not None
        or _SERVICE_LINK.fullmatch(name) is not None
        or (name.endswith("_PORT") and _SERVICE_URL.match(value) is not None)
    )


def _error_line(name: str, known: set[str]) -> str:
    # The common prefix would make all names alike.
    candidates = {variable.removeprefix(PREFIX): variable for variable in known}
    nearest = get_close_matches(name.upper().removeprefix(PREFIX), candidates, n=1, cutoff=_SIMILARITY_MIN)
    if nearest:
        return f"{name}: no setting has this name; did you mean {candidates[nearest[0]]}?"
    return (
        f"{name}: no setting has this name; remove it, or give it a name that does not begin with {PREFIX} "
        "(the configuration page lists all settings)"
    )
