"""Versions of what both a city folder and the API change: rules and maintenance windows. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, NamedTuple, TypeAlias, TypeVar

from storage.model.model_rows import ChangeAction
from twin.alarms.rules.rule import Rule
from twin.instant import Instant
from twin.model.maintenance_window import MaintenanceWindow

ContentT = TypeVar("ContentT", Rule, MaintenanceWindow)

Origin: TypeAlias = Literal["folder", "api"]
"""The origin of a version: `livetwin apply` with a folder, or a request to the API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentVersion(Generic[ContentT]):
    """A stored version of a rule or a maintenance window."""

    item: ContentT  #: with its version number; of a deleted one, the last content
    deleted: bool
    origin: Origin
    changed_by: str
    changed_at: Instant
    folder_digest: str  #: digest of the content in the folder at the last apply; empty: not in the folder


class ContentChange(NamedTuple, Generic[ContentT]):
    """A change that is to be written."""

    item: ContentT  #: with its new version number
    action: ChangeAction | None  #: None: the content is the same, only the digest changes
    origin: Origin
    changed_by: str | None  #: None: the connected database user
    folder_digest: str
    before: ContentVersion[ContentT] | None

    @property
    def was(self) -> ContentT | None:
        """What was in force before."""
        return None if self.before is None or self.before.deleted else self.before.item

    @property
    def becomes(self) -> ContentT | None:
        """What is in force from now on."""
        return None if self.action == "retire" or (self.action is None and self.was is None) else self.item


RuleVersion: TypeAlias = ContentVersion[Rule]
WindowVersion: TypeAlias = ContentVersion[MaintenanceWindow]
