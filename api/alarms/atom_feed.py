"""The alarms in force as an Atom feed (RFC 4287) for aggregators; its entries link to CAP messages. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from api.access.rights import PUBLIC
from api.alarms.cap import ALARMS_MAX, MEDIA_TYPE, CapSender, message_identifier
from api.alarms.visibility import sentence_of, title_of
from twin.alarms.messages import AlarmEvent
from twin.instant import Instant, format_instant
from twin.model.city_model import CityModel
from twin.model.plain_text import one_line

ATOM_TYPE = "application/atom+xml"

_ATOM = "http://www.w3.org/2005/Atom"


def atom_feed(alarms: Sequence[AlarmEvent], newest: Instant, model: CityModel, sender: CapSender) -> bytes:
    """Return the feed; `newest` is the time of the last change."""
    feed = Element("feed", xmlns=_ATOM)
    address = f"{sender.base}/v1/alarms/cap"
    _add(feed, "id", address)
    _add(feed, "title", f"{model.city.name}: alarms in force")
    _add(feed, "updated", format_instant(newest))
    author = SubElement(feed, "author")
    _add(author, "name", model.city.name)
    SubElement(feed, "link", rel="self", type=ATOM_TYPE, href=address)
    for event in alarms[:ALARMS_MAX]:
        _add_entry(feed, event, model, sender)
    document: bytes = tostring(feed, encoding="utf-8", xml_declaration=True)
    return document


def _add_entry(feed: Element, event: AlarmEvent, model: CityModel, sender: CapSender) -> None:
    entry = SubElement(feed, "entry")
    address = f"{sender.base}/v1/alarms/{quote(event.alarm)}/cap"
    _add(entry, "id", f"{address}#{quote(message_identifier(event))}")
    _add(entry, "title", f"{title_of(event, model).en}, {model.entities[event.entity].name}")
    _add(entry, "updated", format_instant(event.told_time))
    if event.raised_time is not None:
        _add(entry, "published", format_instant(event.raised_time))
    _add(entry, "summary", sentence_of(PUBLIC, event, model).en)
    SubElement(entry, "category", term=event.severity.word)
    SubElement(entry, "link", rel="alternate", type=MEDIA_TYPE, href=address)


def _add(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = one_line(text)
