"""What a city says on its own page: its languages, its organisation, its texts, and who may embed it."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from twin.model.bilingual_text import BilingualText, Language

ORIGINS_MAX = 50
"""Origins that may embed the public view: they are in a header of each answer of it."""

THEME_FILE = "theme.css"
BACKGROUND_FILE = "background.geojson"

SITE_FILES = (THEME_FILE, BACKGROUND_FILE)
"""Files of the city folder that the page reads as they are."""

FileDigests: TypeAlias = dict[str, str]
"""SHA-256 (hex) by name of a file in `SITE_FILES`."""


class SiteText(msgspec.Struct, frozen=True, omit_defaults=True):
    """A text of the page, or the page elsewhere that has it; or both."""

    text: BilingualText | None = None  #: Markdown
    url: BilingualText | None = None  #: address of the page in each language


class Site(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The content of site.yaml."""

    languages: tuple[Language, ...] = ("nl", "en")  #: the first one is the default
    organisation: BilingualText | None = None
    privacy: SiteText | None = None
    accessibility: SiteText | None = None
    contact: SiteText | None = None
    processing_register: str = ""  #: URL of the register of processing activities (GDPR, article 30)
    embedding_origins: tuple[str, ...] = ()  #: origins of pages that may embed the public view


NO_SITE = Site()
