"""Renders the city, and the part of the page's settings that its folder decides."""

from __future__ import annotations

from msgspec import UNSET, UnsetType, to_builtins

from api.access.rights import Rights
from api.city.models import AppliedModel, CityLinks, CityModelAnswer, CountedChange, SiteTextModel
from api.http.models import Link
from api.http.responses import Document
from storage.model.model_changes import AppliedVersion
from twin.instant import format_instant
from twin.model.city_model import CityModel
from twin.model.role import role_includes
from twin.model.site import BACKGROUND_FILE, THEME_FILE, SiteText

FILES_PATH = "/city-files"


def file_path(model: CityModel, name: str) -> str | None:
    """Return the path of a file of the page, which changes with its content; None where it has none."""
    digest = model.city.files.get(name)
    return f"{FILES_PATH}/{digest}/{name}" if digest is not None else None


def city_document(model: CityModel, applied: AppliedVersion | None, rights: Rights) -> CityModelAnswer:
    """Return the city as a principal may see it: who applied the model is for staff."""
    city, site = model.city, model.city.site
    is_staff = role_includes(rights.principal.role, "viewer")
    return CityModelAnswer(
        id=city.id,
        name=city.name,
        timezone=city.timezone,
        languages=list(site.languages),
        organisation=site.organisation,
        model=AppliedModel(
            version=model.version,
            applied_time=format_instant(applied.applied) if applied is not None else None,
            applied_by=applied.applied_by if applied is not None and is_staff else None,
            changes=_changes(applied) if applied is not None else None,
        ),
        privacy=_text(site.privacy),
        accessibility=_text(site.accessibility),
        contact=_text(site.contact),
        processing_register=site.processing_register or None,
        embedding_origins=list(site.embedding_origins),
        links=CityLinks(
            self_=Link(href="/v1/city"),
            sensors=Link(href="/v1/sensors"),
            theme=_link(file_path(model, THEME_FILE)),
            background=_link(file_path(model, BACKGROUND_FILE)),
            export=Link(href="/v1/city/export") if role_includes(rights.role, "admin") else UNSET,
        ),
    )


def page_members(model: CityModel) -> Document:
    """Return what the page needs of the city folder before its first request of data."""
    site = model.city.site
    return {
        "site": {
            "languages": list(site.languages),
            "organisation": to_builtins(site.organisation),
            "theme": file_path(model, THEME_FILE),
            "background": file_path(model, BACKGROUND_FILE),
            "embeddable": bool(site.embedding_origins),
        }
    }


def _changes(applied: AppliedVersion) -> list[CountedChange]:
    return [CountedChange(kind=each.kind, action=each.action, count=each.rows) for each in applied.changes]


def _text(text: SiteText | None) -> SiteTextModel | None:
    return SiteTextModel(text=text.text, url=text.url) if text is not None else None


def _link(path: str | None) -> Link | UnsetType:
    return Link(href=path) if path is not None else UNSET
