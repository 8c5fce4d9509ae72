"""Models of the city: its version, its texts, and the addresses of its page's files."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from api.http.models import Count, Link, Model, Time
from storage.model.model_rows import ChangeAction
from twin.model.bilingual_text import BilingualText, Language


class CountedChange(Model, frozen=True, kw_only=True):
    """How much of one kind a change of the model concerned."""

    kind: Annotated[str, Meta(examples=["sensor"])]
    action: ChangeAction
    count: Count


class AppliedModel(Model, frozen=True, kw_only=True):
    """The model of the city in use; what made its version is null while the database is away."""

    version: Count
    applied_time: Time | None
    applied_by: Annotated[str, Meta(description="User of the database; null for anonymous clients.")] | None
    changes: Annotated[list[CountedChange], Meta(description="Since the version before.")] | None


class SiteTextModel(Model, frozen=True, kw_only=True):
    """A text of the page, or the addresses of a page that has it."""

    text: Annotated[BilingualText, Meta(description="Markdown.")] | None
    url: BilingualText | None


class CityLinks(Model, frozen=True, kw_only=True):
    """Links of the city."""

    self_: Link
    sensors: Link
    theme: Annotated[Link, Meta(description="Design tokens (CSS).")] | UnsetType = UNSET
    background: Annotated[Link, Meta(description="Background of the map (GeoJSON).")] | UnsetType = UNSET
    export: Annotated[Link, Meta(description="The city folder; for the role admin.")] | UnsetType = UNSET


class CityModelAnswer(Model, frozen=True, kw_only=True):
    """The city, and what it says of itself."""

    id: Annotated[str, Meta(examples=["alkmaar"])]
    name: Annotated[str, Meta(examples=["Alkmaar"])]
    timezone: Annotated[str, Meta(examples=["Europe/Amsterdam"])]
    languages: Annotated[list[Language], Meta(description="Of the page; the first is the default.")]
    organisation: BilingualText | None
    model: AppliedModel
    privacy: SiteTextModel | None
    accessibility: SiteTextModel | None
    contact: SiteTextModel | None
    processing_register: Annotated[str, Meta(description="URL.")] | None
    embedding_origins: Annotated[list[str], Meta(description="Which may embed the public view.")]
    links: CityLinks
