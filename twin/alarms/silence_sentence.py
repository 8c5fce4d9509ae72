"""Sentences about what does not come."""

from __future__ import annotations

from twin.alarms.rule import Text
from twin.instant import Instant, format_instant


def silence_sentence(
    title: Text, name: str, sensor: str, since: Instant, *, returned: bool
) -> tuple[str, str]:
    """Return in English and Dutch that a sensor is silent, or speaks again.

    >>> silence_sentence(Text("Silent", "Stil"), "Overdie", "aq-1", 0, returned=False)[1]
    'Stil, Overdie: niets nieuws van aq-1 sinds 1970-01-01T00:00:00Z.'
    """
    when = format_instant(since)
    if returned:
        return (
            f"{title.en}, {name} (normal again): {sensor} was heard at {when}.",
            f"{title.nl}, {name} (weer normaal): {sensor} is gehoord om {when}.",
        )
    return (
        f"{title.en}, {name}: nothing new from {sensor} since {when}.",
        f"{title.nl}, {name}: niets nieuws van {sensor} sinds {when}.",
    )


def outage_sentence(
    title: Text, name: str, supply: tuple[str, int], since: Instant, *, returned: bool
) -> tuple[str, str]:
    """Return in English and Dutch that nothing comes through a supply (name, count of sensors), or again."""
    id, count = supply
    when = format_instant(since)
    if returned:
        return (
            f"{title.en}, {name} (normal again): something came through {id} at {when}.",
            f"{title.nl}, {name} (weer normaal): er kwam iets door {id} om {when}.",
        )
    return (
        f"{title.en}, {name}: nothing from any of the {count} sensors of {id} since {when}.",
        f"{title.nl}, {name}: niets van de {count} sensoren van {id} sinds {when}.",
    )
