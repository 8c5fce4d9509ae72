"""Versions of rules, and the changes that a city folder or a request makes to them. No I/O."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from storage.model.model_rows import ChangeAction
from twin.alarms.rules.rule import Rule, encode_rule
from twin.instant import Instant

RuleOrigin: TypeAlias = Literal["folder", "api"]
"""The origin of a version: `livetwin apply` with a folder, or a request to the API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVersion:
    """A stored version of a rule."""

    rule: Rule  #: with its version number; for a deleted rule, its last content
    deleted: bool
    origin: RuleOrigin
    changed_by: str
    changed_at: Instant
    folder_digest: str  #: digest of the rule in the folder at the last apply; empty: not in the folder


class RuleChange(NamedTuple):
    """A change of a rule that is to be written."""

    rule: Rule  #: with its new version number
    action: ChangeAction | None  #: None: the content is the same, only the digest changes
    origin: RuleOrigin
    changed_by: str | None  #: None: the connected database user
    folder_digest: str
    before: RuleVersion | None

    @property
    def deleted(self) -> bool:
        """Whether the change deletes the rule."""
        return self.action == "retire"


def rule_digest(rule: Rule) -> str:
    """Return a hash of the content of a rule."""
    return hashlib.sha256(encode_rule(rule.content())).hexdigest()


def folder_rule_changes(stored: Mapping[str, RuleVersion], planned: Iterable[Rule]) -> list[RuleChange]:
    """Return the changes that make the database hold the rules of a folder.

    A change by the API stays while the rule in the folder is unchanged; a change in the folder replaces it.
    Rules that the folder never had stay as they are.
    """
    in_folder = {rule.id: rule for rule in planned}
    changes = []
    for rule in in_folder.values():
        before, planned_digest = stored.get(rule.id), rule_digest(rule)
        if before is None or before.folder_digest != planned_digest:
            changes.append(updated_rule(before, rule, "folder", None, planned_digest))
    for id, before in stored.items():
        if id not in in_folder and before.folder_digest:
            changes.append(removed_rule(before, "folder", None, ""))
    return changes


def updated_rule(
    before: RuleVersion | None, rule: Rule, origin: RuleOrigin, by: str | None, folder_digest: str
) -> RuleChange:
    """Return the change that creates or changes a rule."""
    if before is None:
        return RuleChange(_numbered(rule, 1), "create", origin, by, folder_digest, None)
    if not before.deleted and before.rule.content() == rule.content():
        return RuleChange(before.rule, None, origin, by, folder_digest, before)
    action: ChangeAction = "revive" if before.deleted else "update"
    return RuleChange(_numbered(rule, before.rule.version + 1), action, origin, by, folder_digest, before)


def removed_rule(before: RuleVersion, origin: RuleOrigin, by: str | None, folder_digest: str) -> RuleChange:
    """Return the change that deletes a rule."""
    if before.deleted:
        return RuleChange(before.rule, None, origin, by, folder_digest, before)
    rule = _numbered(before.rule, before.rule.version + 1)
    return RuleChange(rule, "retire", origin, by, folder_digest, before)


def _numbered(rule: Rule, version: int) -> Rule:
    return msgspec.structs.replace(rule, version=version)
