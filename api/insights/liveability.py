"""The liveability card as the API writes it: every domain with its value, score, freshness and source."""

from __future__ import annotations

from typing import Any, NamedTuple

from api.live.live_view import LiveView
from twin.indicators.indicator import IndicatorValue
from twin.indicators.liveability import SCORE_SCALES, DomainScore, liveability_card
from twin.instant import Instant, format_instant
from twin.model.bilingual_text import BilingualText
from twin.model.entity import Entity
from twin.model.names import AREA_PREFIX
from twin.quality.quality_flags import quality_word
from twin.state.freshness import Freshness, freshness
from twin.wire.messages import Update

Document = dict[str, Any]


class _Known(NamedTuple):
    """What is known now of what a domain is measured by."""

    update: Update
    freshness: Freshness


def liveability_document(entity: Entity, view: LiveView, now: Instant) -> Document:
    """Return the card of an area: of each value the roll-up over it, or where there is none its own."""
    known = {
        one.indicator: found
        for yardsticks in SCORE_SCALES.values()
        for one in yardsticks
        if (found := _known(entity.id, one.indicator, view, now)) is not None
    }
    speaking = {
        name: IndicatorValue(one.update.value, one.update.phenomenon_time, one.update.flags, ())
        for name, one in known.items()
        if one.freshness != "silent"
    }
    return {
        "entityId": entity.id,
        "name": entity.name,
        "type": entity.type,
        "domains": [_line(one, known) for one in liveability_card(speaking)],
        "_links": {
            "self": {"href": f"/v1/entities/{entity.id}/liveability"},
            "entity": {"href": f"/v1/entities/{entity.id}"},
        },
    }


def _known(entity: str, name: str, view: LiveView, now: Instant) -> _Known | None:
    values = view.entity(entity)
    if values is None:
        return None
    for one in (AREA_PREFIX + name, name):
        value = values.values.get(one)
        interval = view.expected_interval(value.update) if value is not None else None
        if value is not None and interval is not None:
            return _Known(value.update, freshness(value.update.phenomenon_time, interval, now))
    return None


def _line(line: DomainScore, known: dict[str, _Known]) -> Document:
    yardstick = line.scale
    found = known.get(yardstick.indicator)
    return {
        "domain": line.domain,
        "title": _text(line.title),
        "score": line.score,
        "value": found.update.value if found is not None else None,
        "unit": yardstick.unit,
        "measuredBy": yardstick.indicator,
        "property": found.update.property if found is not None else None,
        "count": found.update.count if found is not None else 0,
        "phenomenonTime": format_instant(found.update.phenomenon_time) if found is not None else None,
        "quality": quality_word(found.update.flags) if found is not None else None,
        "freshness": found.freshness if found is not None else None,
        "best": yardstick.good,
        "worst": yardstick.bad,
        "explanation": _text(yardstick.explanation),
        "source": yardstick.source,
    }


def _text(text: BilingualText) -> dict[str, str]:
    return {"en": text.en, "nl": text.nl}
