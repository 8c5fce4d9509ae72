"""Versions of rules: what holds, what held before, and what the city folder makes of them. Pure."""

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
"""Who said it: `livetwin apply`, or a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleVersion:
    """A version of a rule, as it is stored."""

    rule: Rule  #: with its version; of a deleted one as it was last
    deleted: bool
    origin: RuleOrigin
    changed_by: str
    changed_at: Instant
    folder_digest: str  #: of what the folder said last, while this was the newest version; empty: nothing


class RuleChange(NamedTuple):
    """What has to be written of a rule."""

    rule: Rule  #: with the version that it gets
    action: ChangeAction | None  #: None: it is so already, and only the digest is new
    origin: RuleOrigin
    changed_by: str | None  #: None: whoever is connected
    folder_digest: str
    before: RuleVersion | None

    @property
    def deleted(self) -> bool:
        """Whether the rule holds no more."""
        return self.action == "retire"


def rule_digest(rule: Rule) -> str:
    """Return what tells one content of a rule from another."""
    return hashlib.sha256(encode_rule(rule.content())).hexdigest()


def folder_rule_changes(stored: Mapping[str, RuleVersion], planned: Iterable[Rule]) -> list[RuleChange]:
    """Return what makes the database hold the rules of a folder.

    What was changed over the API stays while the folder says what it said before; what the folder says anew
    goes before it. Rules that the folder never had are none of its business.
    """
    said = {rule.id: rule for rule in planned}
    found = []
    for rule in said.values():
        before, says = stored.get(rule.id), rule_digest(rule)
        if before is None or before.folder_digest != says:
            found.append(updated_rule(before, rule, "folder", None, says))
    for id, before in stored.items():
        if id not in said and before.folder_digest:
            found.append(removed_rule(before, "folder", None, ""))
    return found


def updated_rule(
    before: RuleVersion | None, rule: Rule, origin: RuleOrigin, by: str | None, folder_digest: str
) -> RuleChange:
    """Return the change that makes a rule hold."""
    if before is None:
        return RuleChange(_numbered(rule, 1), "create", origin, by, folder_digest, None)
    if not before.deleted and before.rule.content() == rule.content():
        return RuleChange(before.rule, None, origin, by, folder_digest, before)
    action: ChangeAction = "revive" if before.deleted else "update"
    return RuleChange(_numbered(rule, before.rule.version + 1), action, origin, by, folder_digest, before)


def removed_rule(before: RuleVersion, origin: RuleOrigin, by: str | None, folder_digest: str) -> RuleChange:
    """Return the change by which a rule holds no more."""
    if before.deleted:
        return RuleChange(before.rule, None, origin, by, folder_digest, before)
    rule = _numbered(before.rule, before.rule.version + 1)
    return RuleChange(rule, "retire", origin, by, folder_digest, before)


def _numbered(rule: Rule, version: int) -> Rule:
    return msgspec.structs.replace(rule, version=version)
