"""site.yaml: languages, organisation, texts and embedding of the city's page, read and written."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from cities.files.faults import CityFault
from cities.files.items import read_only_item
from cities.files.schema import Item
from cities.files.values import HttpsUrl, Markdown, Origin, Text
from cities.files.yaml_document import YamlDocument
from twin.model.bilingual_text import BilingualText
from twin.model.site import NO_SITE, ORIGINS_MAX, Site, SiteText


class NameItem(Item):
    """A name in both languages."""

    en: Text
    nl: Text


class MarkdownItem(Item):
    """A text in both languages."""

    en: Markdown
    nl: Markdown


class UrlItem(Item):
    """The address of a page in each language."""

    en: HttpsUrl
    nl: HttpsUrl


class SiteTextItem(Item):
    """`privacy`, `accessibility` and `contact` of the site."""

    text: MarkdownItem | None = None
    url: UrlItem | None = None

    @model_validator(mode="after")
    def _has_content(self) -> Self:
        if self.text is None and self.url is None:
            raise ValueError("expected one of the keys text and url, or both")
        return self


Languages = Annotated[list[Literal["nl", "en"]], Field(min_length=1, max_length=2)]


class SiteItem(Item):
    """`site` in site.yaml."""

    languages: Languages = Field(default_factory=lambda: list(NO_SITE.languages))
    organisation: NameItem | None = None
    privacy: SiteTextItem | None = None
    accessibility: SiteTextItem | None = None
    contact: SiteTextItem | None = None
    processing_register: HttpsUrl | None = None
    embedding_origins: Annotated[list[Origin], Field(max_length=ORIGINS_MAX)] = Field(default_factory=list)


_TEXTS = ("privacy", "accessibility", "contact")


def read_site(document: YamlDocument) -> tuple[Site, list[CityFault]]:
    """Return the site of a file, and its faults."""
    item, items = read_only_item(document, "site", SiteItem)
    if item is None:
        return NO_SITE, items.faults
    for name in ("languages", "embedding_origins"):
        values = getattr(item, name)
        if len(set(values)) < len(values):
            key = "embeddingOrigins" if name == "embedding_origins" else name
            items.add_fault(("site", key), "found one twice, expected each once")
    texts = {name: getattr(item, name) for name in _TEXTS}
    site = Site(
        languages=tuple(item.languages),
        organisation=_bilingual(item.organisation),
        processing_register=item.processing_register or "",
        embedding_origins=tuple(item.embedding_origins),
        **{
            name: SiteText(_bilingual(text.text), _bilingual(text.url))
            for name, text in texts.items()
            if text is not None
        },
    )
    return site, items.faults


def site_document(site: Site) -> dict[str, Any]:
    """Return the content of site.yaml; empty for a site without content."""
    if site == NO_SITE:
        return {}
    texts = {
        name: SiteTextItem.of(text=_item(MarkdownItem, text.text), url=_item(UrlItem, text.url))
        for name in _TEXTS
        if (text := getattr(site, name)) is not None
    }
    item = SiteItem.of(
        ("languages",),
        languages=list(site.languages),
        organisation=_item(NameItem, site.organisation),
        processing_register=site.processing_register or None,
        embedding_origins=list(site.embedding_origins),
        **texts,
    )
    return {"site": item.document()}


def _bilingual(item: NameItem | MarkdownItem | UrlItem | None) -> BilingualText | None:
    return BilingualText(item.en, item.nl) if item is not None else None


def _item(kind: type[Item], text: BilingualText | None) -> Item | None:
    return kind.of(en=text.en, nl=text.nl) if text is not None else None
