"""Sentences about what does not come."""

from __future__ import annotations

from twin.alarms.rules.rule import BilingualText
from twin.instant import Instant
from twin.model.localization import format_local_time


def silence_sentence(
    title: BilingualText, name: str, sensor: str, since: tuple[Instant, str], *, returned: bool
) -> tuple[str, str]:
    """Return in English and Dutch that a sensor is silent, or speaks again; `since` has the time zone.

    >>> when = 0, "Europe/Amsterdam"
    >>> silence_sentence(BilingualText("Silent", "Stil"), "Overdie", "aq-1", when, returned=False)[1]
    'Stil, Overdie: niets nieuws van aq-1 sinds 1 januari 1970 om 01:00.'
    """
    en, nl = format_local_time(*since, "en"), format_local_time(*since, "nl")
    if returned:
        return (
            f"{title.en}, {name} (normal again): {sensor} was heard at {en}.",
            f"{title.nl}, {name} (weer normaal): {sensor} is gehoord op {nl}.",
        )
    return (
        f"{title.en}, {name}: nothing new from {sensor} since {en}.",
        f"{title.nl}, {name}: niets nieuws van {sensor} sinds {nl}.",
    )


def outage_sentence(
    title: BilingualText, name: str, supply: tuple[str, int], since: tuple[Instant, str], *, returned: bool
) -> tuple[str, str]:
    """Return in English and Dutch that nothing comes through a supply (name, count of sensors), or again.

    >>> when = 0, "Europe/Amsterdam"
    >>> outage_sentence(BilingualText("Out", "Uit"), "Mast", ("gateway:mast", 9), when, returned=False)[0]
    'Out, Mast: nothing from any of its 9 sensors since 01:00 on 1 January 1970.'
    >>> outage_sentence(BilingualText("Out", "Uit"), "Town", ("feed:ttn", 9), when, returned=False)[1]
    'Uit, Town: niets van de 9 sensoren van feed ttn sinds 1 januari 1970 om 01:00.'
    """
    kind, _, id = supply[0].partition(":")
    count = supply[1]
    en, nl = format_local_time(*since, "en"), format_local_time(*since, "nl")
    is_feed = kind == "feed"
    if returned:
        feed_en, feed_nl = (f" of feed {id}", f" van feed {id}") if is_feed else ("", "")
        return (
            f"{title.en}, {name} (normal again): something came from its sensors{feed_en} at {en}.",
            f"{title.nl}, {name} (weer normaal): er kwam iets van zijn sensoren{feed_nl} op {nl}.",
        )
    of_en, of_nl = (
        (f"the {count} sensors of feed {id}", f"de {count} sensoren van feed {id}")
        if is_feed
        else (f"its {count} sensors", f"zijn {count} sensoren")
    )
    return (
        f"{title.en}, {name}: nothing from any of {of_en} since {en}.",
        f"{title.nl}, {name}: niets van {of_nl} sinds {nl}.",
    )
