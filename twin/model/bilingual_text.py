"""Text in the two languages of the city."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Language: TypeAlias = Literal["en", "nl"]


class BilingualText(msgspec.Struct, frozen=True):
    """The same text in English and in Dutch. Stored as JSON within rules."""

    en: str
    nl: str

    def in_language(self, language: Language) -> str:
        """Return the text in one of the languages."""
        return self.nl if language == "nl" else self.en
