"""Documents of rules, their entity tags, and the rule document of a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from api.http.access import Role
from api.http.problems import RequestFault, bad_request
from api.http.responses import Document
from cities.rules.document import RuleFault, rule_document
from storage.model.rule_version import RuleVersion
from twin.alarms.rules.rule import Rule
from twin.instant import format_instant
from twin.model.city_model import CityModel
from twin.model.role import role_includes

# Members that a response adds to a rule; a client may send them back unchanged.
RESPONSE_MEMBERS = frozenset({"version", "origin", "changedTime", "changedBy", "_links"})

_TAG = re.compile(r'"(\d{1,9})"')


def rule_path(id: str) -> str:
    """Return the path of a rule."""
    return f"/v1/rules/{id}"


def current_document(rule: Rule, stored: RuleVersion | None, model: CityModel, role: Role) -> Document:
    """Return a rule in force; only a stored one has its editor and its time of change."""
    return {
        **rule_document(rule, model),
        "version": rule.version,
        **_change(stored, role),
        "_links": {
            "self": {"href": rule_path(rule.id)},
            "versions": {"href": f"{rule_path(rule.id)}/versions"},
            "alarms": {"href": f"/v1/alarms?rule={rule.id}"},
        },
    }


def version_document(stored: RuleVersion, model: CityModel, role: Role) -> Document:
    """Return one version of a rule; `rule` of a deleted version is its last content."""
    return {
        "version": stored.rule.version,
        "deleted": stored.deleted,
        **_change(stored, role),
        "rule": rule_document(stored.rule, model),
    }


def _change(stored: RuleVersion | None, role: Role) -> Document:
    if stored is None:
        return {"origin": None, "changedTime": None, "changedBy": None}
    return {
        "origin": stored.origin,
        "changedTime": format_instant(stored.changed_at),
        # Names of operators are not public.
        "changedBy": stored.changed_by if role_includes(role, "viewer") else None,
    }


def requested_rule(body: Mapping[str, Any], id: str) -> Document:
    """Return the rule in a body without the members of responses; raise a problem for another rule's id."""
    document = {name: value for name, value in body.items() if name not in RESPONSE_MEMBERS}
    if document.setdefault("id", id) != id:
        raise bad_request(
            RequestFault("body", "/id", "other", f"found {document['id']!r}, expected {id!r}, as in the path")
        )
    return document


def rule_faults(faults: tuple[RuleFault, ...]) -> list[RequestFault]:
    """Return the faults of a rule as faults of a request, each named by its JSON pointer."""
    return [RequestFault("body", fault.pointer, "invalid", fault.message) for fault in faults]


def entity_tag(version: int) -> str:
    """Return the entity tag of a version."""
    return f'"{version}"'


def expected_version(if_match: str, if_none_match: str) -> int | None:
    """Return the version that the headers of a request require: 0 for no rule, None for any version.

    Raises a problem for any other text.

    >>> expected_version('"3"', ""), expected_version("", "*"), expected_version("", "")
    (3, 0, None)
    """
    if if_none_match:
        if if_none_match != "*" or if_match:
            raise bad_request(
                RequestFault(
                    "header", "If-None-Match", "invalid", "expected only *, and no If-Match beside it"
                )
            )
        return 0
    if not if_match or if_match == "*":
        return None
    match = _TAG.fullmatch(if_match)
    if match is None:
        raise bad_request(
            RequestFault(
                "header", "If-Match", "invalid", f'found {if_match[:40]!r}, expected an ETag such as "3"'
            )
        )
    return int(match[1])
