"""The rights of each role in the database, declared in one place; `livetwin migrate` puts them into effect.

Each process is one role. Commands of operators, such as `livetwin apply`, use the owner of the tables.
A right is here because a statement of the role needs it. The roles of the last release must be able to work
with these rights, too, since they may still run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

ROLE_PREFIX = "livetwin_"

_MODEL = """
    calibration city datastream duty_override duty_plan entity feed fetched_roster maintenance
    maintenance_window observed_property push_subscription rule sensor
"""
"""Tables of the city model: every role reads all of it."""

_HISTORY = (
    "aggregate_day aggregate_hour aggregate_minute aggregate_ten_minutes assessment entity_value "
    "observation superseded_observation"
)
"""What was measured and derived, by time."""

_STATE = "amended_series datastream_state property_state"
"""The newest values."""

# For each role: tables, and the privileges on each of them. A privilege may name columns.
RIGHTS: Mapping[str, Mapping[str, str]] = {
    "ingest": {_MODEL: "SELECT"},
    "stream": {
        f"{_MODEL} {_HISTORY} {_STATE}": "SELECT",
        "alarm alarm_event incident log_position": "SELECT",
    },
    "historian": {
        _MODEL: "SELECT",
        "aggregate_hour aggregate_minute aggregate_ten_minutes": "SELECT, INSERT, UPDATE, DELETE",
        "aggregate_day entity_value": "SELECT, INSERT, UPDATE",
        "assessment observation superseded_observation": "SELECT, INSERT, UPDATE, DELETE",
        "message_batch": "SELECT, INSERT, UPDATE (payloads)",
        _STATE: "SELECT, INSERT, UPDATE",
        "alarm": "SELECT, INSERT, UPDATE",
        "incident notification": "SELECT, INSERT, UPDATE, DELETE",
        "alarm_event incident_event notification_event": "SELECT, INSERT, DELETE",
        "alarm_repair_request changed_series repair_request series_repair_request": (
            "SELECT, INSERT, UPDATE, DELETE"
        ),
        "recompute_request": "SELECT, UPDATE (start, began, until, done_at)",
        "repaired_window": "SELECT, INSERT, UPDATE, DELETE",
        "datastream_retention": "SELECT, INSERT, UPDATE",
        "log_position": "SELECT, INSERT, UPDATE, DELETE",
        "ingest_session ledger": "SELECT, INSERT, UPDATE",
        "audit_record": "SELECT, DELETE",
        "ledger_removed": "SELECT, UPDATE (observations)",
        "quarantine": "SELECT, INSERT, UPDATE, DELETE",
        # To lock a row needs the right to update it; the triggers of quarantine update it.
        "quarantine_usage": "SELECT, UPDATE (bytes)",
        "quarantine_limited": "SELECT, UPDATE (heads, counted)",
    },
    "alerting": {
        "calibration datastream duty_override duty_plan entity feed maintenance": "SELECT",
        "maintenance_window observed_property rule sensor": "SELECT",
        "alarm incident": "SELECT",
        # It learns from the push services which ones have ended.
        "push_subscription": "SELECT, DELETE",
        # It fetches rosters, which are a part of the model.
        "fetched_roster": "SELECT, INSERT, UPDATE",
        "city": "SELECT, UPDATE (model_version)",
        "model_change": "INSERT",
    },
    "outlets": {
        f"{_MODEL} {_STATE}": "SELECT",
        "alarm incident log_position": "SELECT",
        # What webhooks missed.
        "alarm_event assessment datastream_retention observation superseded_observation": "SELECT",
        "recompute_request repair_request": "SELECT",
        # Not its address, filter or secret.
        "webhook": (
            "SELECT, UPDATE (state, reason, cursor, failures, failing_since, last_error, delivered_at, "
            "consented_at, rate_max)"
        ),
        "webhook_dead_letter": "SELECT, INSERT, DELETE",
    },
    "api": {
        "calibration duty_plan entity feed fetched_roster maintenance observed_property": "SELECT",
        "city datastream sensor": "SELECT, INSERT, UPDATE",
        "maintenance_window rule": "SELECT, INSERT, UPDATE (folder_digest)",
        "city_file": "SELECT",
        "duty_override": "SELECT, INSERT, UPDATE (withdrawn_at, withdrawn_by)",
        "model_change": "SELECT, INSERT",
        "push_subscription": "SELECT, INSERT, UPDATE, DELETE",
        "recompute_request": "SELECT, INSERT",
        "series_repair_request": "SELECT, INSERT, UPDATE",
        f"{_HISTORY} {_STATE}": "SELECT",
        "datastream_retention log_position message_batch repair_request": "SELECT",
        "alarm alarm_event incident incident_event notification notification_event": "SELECT",
        "ingest_session ledger ledger_removed quarantine_limited quarantine_usage": "SELECT",
        "quarantine": "SELECT, UPDATE (replay_requested_at, replay_sent_at)",
        "webhook": (
            "SELECT, INSERT, DELETE, UPDATE (state, reason, edition, failures, failing_since, last_error, "
            "cursor, consented_at, rate_max)"
        ),
        "webhook_dead_letter": "SELECT",
        "dossier_issue": "SELECT, INSERT",
        # What is in the audit log stays as it is.
        "audit_record": "SELECT, INSERT, UPDATE (sent_at)",
        # Only `livetwin token`, with the owner, creates and revokes keys.
        "api_token": "SELECT",
    },
}

OWNER_TABLES = frozenset({"schema_migration"})
"""Tables that no role needs."""

FUNCTION_RIGHTS: Mapping[str, tuple[str, ...]] = {"historian": ("drop_chunks_before(regclass, timestamptz)",)}
"""Functions that run with the rights of the owner, and who may call them."""

TEMPORARY_TABLES = ("historian",)
"""Roles that collect rows in temporary tables."""

_PRIVILEGE = re.compile(r"([A-Z]+)(?: \(([a-z0-9_, ]+)\))?(?:, |$)")


class Right(NamedTuple):
    """One privilege of a role."""

    role: str  #: of LiveTwin, such as `ingest`
    table: str
    privilege: str
    column: str = ""  #: empty: on the table


def role_user(role: str) -> str:
    """Return the name of a role in the database."""
    return ROLE_PREFIX + role


def declared_rights() -> frozenset[Right]:
    """Return every right that `RIGHTS` declares."""
    return frozenset(_rights())


def _rights() -> Iterator[Right]:
    for role, rights in RIGHTS.items():
        for tables, privileges in rights.items():
            for table in tables.split():
                for privilege, columns in _PRIVILEGE.findall(privileges):
                    for column in columns.split(", "):
                        yield Right(role, table, privilege, column)


def unassigned_tables(tables: Iterable[str]) -> list[str]:
    """Return the tables about which nothing is declared."""
    declared = {right.table for right in declared_rights()}
    return sorted(set(tables) - declared - OWNER_TABLES)
