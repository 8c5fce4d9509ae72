"""The answers about the city, with an example."""

from __future__ import annotations

from api.city.models import AppliedModel, CityLinks, CityModelAnswer, CountedChange, SiteTextModel
from api.http.answers import Answer
from api.http.models import Link
from twin.model.bilingual_text import BilingualText

ZIP = "application/zip"

CITY = Answer(
    model=CityModelAnswer,
    description="The city.",
    example=CityModelAnswer(
        id="alkmaar",
        name="Alkmaar",
        timezone="Europe/Amsterdam",
        languages=["nl", "en"],
        organisation=BilingualText("Municipality of Alkmaar", "Gemeente Alkmaar"),
        model=AppliedModel(
            version=3,
            applied_time="2026-11-23T12:00:00Z",
            applied_by="livetwin",
            changes=[CountedChange(kind="sensor", action="create", count=2)],
        ),
        privacy=SiteTextModel(
            text=None,
            url=BilingualText("https://city.example/en/privacy", "https://city.example/privacy"),
        ),
        accessibility=None,
        contact=SiteTextModel(text=BilingualText("Call us.", "Bel ons."), url=None),
        processing_register=None,
        embedding_origins=["https://city.example"],
        links=CityLinks(self_=Link(href="/v1/city"), sensors=Link(href="/v1/sensors")),
    ),
)
EXPORT = Answer(
    model=bytes,
    description="The city folder: a ZIP archive of what `livetwin export` writes.",
    media_type=ZIP,
    headers={"Content-Disposition": "A name for the file."},
)
