"""Rules as the API writes them, and takes them back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from api.http.access import Role
from api.http.problems import RequestFault, bad_request
from cities.rules.document import RuleFault, rule_document
from storage.model.rule_version import RuleVersion
from twin.alarms.rules.rule import Rule
from twin.instant import format_instant
from twin.model.city_model import CityModel
from twin.model.role import role_includes

Document = dict[str, Any]

# What an answer adds to a rule: whoever edits it and sends it back need not take it out.
RESPONSE_MEMBERS = frozenset({"version", "origin", "changedTime", "changedBy", "_links"})

_TAG = re.compile(r'"(\d{1,9})"')


def rule_path(id: str) -> str:
    """Return the path of a rule."""
    return f"/v1/rules/{id}"


def current_document(rule: Rule, stored: RuleVersion | None, model: CityModel, role: Role) -> Document:
    """Return a rule as it holds now; who changed it and when is known of stored ones alone."""
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
    """Return one version of a rule; of a deleted one, `rule` is what it was last."""
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
        # Who does what in the control room is not for the street.
        "changedBy": stored.changed_by if role_includes(role, "viewer") else None,
    }


def requested_rule(body: Mapping[str, Any], id: str) -> Document:
    """Return the rule of a request's body, without what answers add; raise a problem when it is another's."""
    document = {name: value for name, value in body.items() if name not in RESPONSE_MEMBERS}
    if document.setdefault("id", id) != id:
        raise bad_request(
            RequestFault("body", "/id", "other", f"found {document['id']!r}, expected {id!r}, as in the path")
        )
    return document


def rule_faults(found: tuple[RuleFault, ...]) -> list[RequestFault]:
    """Return what is wrong with a rule as faults of a request; each names its place by a JSON pointer."""
    return [RequestFault("body", one.pointer, "invalid", one.message) for one in found]


def entity_tag(version: int) -> str:
    """Return the entity tag of a version."""
    return f'"{version}"'


def expected_version(if_match: str, if_none_match: str) -> int | None:
    """Return the version that a rule must have by the headers of a request: 0 for none, None for any.

    Raises a problem for what is not a tag of ours.

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
