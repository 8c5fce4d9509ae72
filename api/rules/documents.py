"""Renders rules and their versions; their entity tags, and the rule document of a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from api.access.rights import Rights
from api.alarms.visibility import may_see_guidance
from api.http.models import Link
from api.http.problems import RequestFault, bad_request
from api.rules.models import RESPONSE_MEMBERS, RuleContent, RuleLinks, RuleModel, RuleVersionModel
from cities.rules.document import RuleFault, rule_document
from storage.model.content_version import RuleVersion
from twin.alarms.rules.rule import Rule
from twin.instant import format_instant
from twin.model.city_model import CityModel
from twin.model.role import Role, role_includes

_TAG = re.compile(r'"(\d{1,9})"')


def rule_path(id: str) -> str:
    """Return the path of a rule."""
    return f"/v1/rules/{id}"


def rule_model(rule: Rule, stored: RuleVersion | None, model: CityModel, rights: Rights) -> RuleModel:
    """Return a rule in force; only a stored one has its editor and its time of change."""
    content = visible_content(rule, model, rights)
    path = rule_path(rule.id)
    return RuleModel(
        **{name: getattr(content, name) for name in RuleContent.__struct_fields__},
        version=rule.version,
        origin=stored.origin if stored is not None else None,
        changed_time=format_instant(stored.changed_at) if stored is not None else None,
        changed_by=_editor(stored, rights.role) if stored is not None else None,
        links=RuleLinks(
            self_=Link(href=path),
            versions=Link(href=f"{path}/versions"),
            alarms=Link(href=f"/v1/alarms?rule={rule.id}"),
        ),
    )


def version_model(stored: RuleVersion, model: CityModel, rights: Rights) -> RuleVersionModel:
    """Return one version of a rule."""
    return RuleVersionModel(
        version=stored.item.version,
        deleted=stored.deleted,
        origin=stored.origin,
        changed_time=format_instant(stored.changed_at),
        changed_by=_editor(stored, rights.role),
        rule=visible_content(stored.item, model, rights),
    )


def visible_content(rule: Rule, model: CityModel, rights: Rights) -> RuleContent:
    """Return a rule as a principal may see it: without the guidance for staff where that is not for it."""
    content = rule_content(rule, model)
    return content if may_see_guidance(rights) else replace(content, guidance=UNSET)


def rule_content(rule: Rule, model: CityModel) -> RuleContent:
    """Return a rule as rules.yaml has it."""
    return msgspec.convert(rule_document(rule, model), RuleContent)


def _editor(stored: RuleVersion, role: Role) -> str | None:
    """Return who changed a rule; names of operators are not public."""
    return stored.changed_by if role_includes(role, "viewer") else None


def requested_rule(body: Mapping[str, Any], id: str) -> dict[str, Any]:
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
