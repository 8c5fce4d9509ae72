"""Public alarms in the Common Alerting Protocol (OASIS CAP 1.2, 1 July 2010). Pure.

Easily missed requirements of the schema: elements in exactly its order; times with an offset and without
decimals, where UTC is `-00:00` and never `Z` (3.3.2); no spaces, commas, `<` or `&` in identifiers and
senders; areas as polygons or circles of latitude and longitude.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, tostring

from api.access.rights import PUBLIC
from api.alarms.visibility import may_see_value, sentence_of, title_of
from api.entities.geometry import bounding_box, distance_m, positions
from twin.alarms.messages import AlarmEvent
from twin.alarms.severity import Severity
from twin.alarms.state_machine import AlarmState
from twin.instant import SECOND, Instant, to_datetime
from twin.model.city_model import CityModel
from twin.model.entity import Geometry
from twin.model.localization import format_number
from twin.model.plain_text import one_line
from twin.quality.quality_flags import quality_word

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE = "application/cap+xml"

CapStatus = Literal["Actual", "Exercise", "Test"]

# Nobody reads more; 500 alarms in two languages take about a megabyte.
ALARMS_MAX = 500
REFERENCES_MAX = 50

# A point has no extent: its alarm concerns the surroundings, about a city block.
POINT_RADIUS_KM = 0.1

# Of degrees: 0.1 m.
DECIMALS = 6

_NOT_IN_FORCE = frozenset({AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE})

# Actions of operators are no news for the public.
_INTERNAL = frozenset({"acknowledged", "assigned", "commented", "reset"})

_SEVERITY = {
    Severity.CRITICAL: "Extreme",
    Severity.MAJOR: "Severe",
    Severity.MINOR: "Moderate",
    Severity.WARNING: "Minor",
}
_CATEGORY = {
    "environment": "Env",
    "mobility": "Transport",
    "energy": "Infra",
    "water": "Met",  # meteorological, which includes floods (3.2.2)
    "climate": "Met",
    "device": "Infra",
}
_LANGUAGES = {"en": "en-GB", "nl": "nl-NL"}


class CapSender(NamedTuple):
    """The sender of CAP messages."""

    sender: str
    status: CapStatus
    base: str  #: URL of this API, without a slash at its end


class CapMessage(NamedTuple):
    """An alarm event as a message to the public, and the earlier messages that it refers to."""

    event: AlarmEvent
    earlier: Sequence[AlarmEvent] = ()  #: of the same occurrence, oldest first


def is_in_force(event: AlarmEvent) -> bool:
    """Whether an alarm is in force: active, and not shelved, suppressed or out of service."""
    return event.active and event.state not in _NOT_IN_FORCE


def last_message(events: Iterable[AlarmEvent]) -> CapMessage | None:
    """Return the last message about the present occurrence of an alarm; None when there was none.

    The events are those of the alarm, newest first.
    """
    occurrence = None
    public: list[AlarmEvent] = []
    for event in events:
        occurrence = event.occurrence if occurrence is None else occurrence
        if event.occurrence != occurrence:
            break
        if event.kind not in _INTERNAL:
            public.append(event)
    return CapMessage(public[0], public[:0:-1]) if public else None


def time_text(instant: Instant) -> str:
    """Return a time in the format of CAP.

    >>> time_text(1767225600250000)
    '2026-01-01T00:00:00-00:00'
    """
    return to_datetime(instant - instant % SECOND).strftime("%Y-%m-%dT%H:%M:%S-00:00")


def message_identifier(event: AlarmEvent) -> str:
    """Return the identifier of a message."""
    return f"{event.alarm}.{event.occurrence}.{event.revision}"


def alarm_alert(message: CapMessage, model: CityModel, sender: CapSender) -> bytes:
    """Return the message about one alarm: Alert first, then Update, and Cancel once it is not in force."""
    event = message.event
    later = "Update" if is_in_force(event) else "Cancel"
    kind = later if message.earlier else "Alert"
    alert = _alert(message_identifier(event), event.told_time, kind, sender)
    _add(alert, "code", f"livetwin:{model.city.id}")
    references = [
        f"{sender.sender},{message_identifier(earlier)},{time_text(earlier.told_time)}"
        for earlier in message.earlier[-REFERENCES_MAX:]
    ]
    if references:
        _add(alert, "references", " ".join(references))
    _add_infos(alert, event, model, sender)
    return _xml(alert)


def city_alert(alarms: Sequence[AlarmEvent], newest: Instant, model: CityModel, sender: CapSender) -> bytes:
    """Return all alarms in force as one alert, with an info for each alarm and language.

    `newest` is the time of the last change; an alert with a later one replaces every earlier alert.
    """
    alert = _alert(f"{model.city.id}.alarms.{newest}", newest, "Alert", sender)
    _add(alert, "code", f"livetwin:{model.city.id}")
    if not alarms:
        _add(alert, "note", "No alarm is in force.")
    elif len(alarms) > ALARMS_MAX:
        _add(alert, "note", f"{len(alarms)} alarms are in force; these are the last {ALARMS_MAX}.")
    for event in alarms[:ALARMS_MAX]:
        _add_infos(alert, event, model, sender)
    return _xml(alert)


def _alert(identifier: str, sent: Instant, kind: str, sender: CapSender) -> Element:
    alert = Element(f"{{{NAMESPACE}}}alert")
    _add(alert, "identifier", identifier)
    _add(alert, "sender", sender.sender)
    _add(alert, "sent", time_text(sent))
    _add(alert, "status", sender.status)
    _add(alert, "msgType", kind)
    _add(alert, "source", "LiveTwin")
    _add(alert, "scope", "Public")
    return alert


def _add_infos(alert: Element, event: AlarmEvent, model: CityModel, sender: CapSender) -> None:
    title, sentence = title_of(event, model), sentence_of(PUBLIC, event, model)
    for language in _LANGUAGES:
        texts = getattr(title, language), getattr(sentence, language)
        _add_info(alert, event, model, sender, language=language, texts=texts)


def _add_info(
    alert: Element,
    event: AlarmEvent,
    model: CityModel,
    sender: CapSender,
    *,
    language: str,
    texts: tuple[str, str],
) -> None:
    title, sentence = texts
    in_force = is_in_force(event)
    entity = model.entities[event.entity]
    good = all(quality_word(operand.flags) == "good" for operand in event.operands)
    info = SubElement(alert, f"{{{NAMESPACE}}}info")
    _add(info, "language", _LANGUAGES[language])
    _add(info, "category", _CATEGORY.get(event.theme, "Other"))
    _add(info, "event", title)
    _add(info, "responseType", "Monitor" if in_force else "AllClear")
    _add(info, "urgency", _urgency(event))
    _add(info, "severity", _SEVERITY.get(event.severity, "Unknown"))
    _add(info, "certainty", "Observed" if good else "Likely")
    _add_named(info, "eventCode", "livetwin:rule", event.rule)
    _add(info, "effective", time_text(event.told_time))
    if event.raised_time is not None:
        _add(info, "onset", time_text(event.raised_time))
    _add(info, "senderName", model.city.name)
    _add(info, "headline", f"{title}, {entity.name}")
    _add(info, "description", sentence)
    _add(info, "web", f"{sender.base}/v1/alarms/{quote(event.alarm)}")
    _add_named(info, "parameter", "livetwin:alarm", event.alarm)
    _add_named(info, "parameter", "livetwin:state", event.state)
    for operand in event.operands:
        if may_see_value(PUBLIC, operand, model):
            value = f"{format_number(operand.value)} {operand.unit}"
            _add_named(info, "parameter", f"livetwin:{operand.name}", value)
    _add_area(info, event, model)


def _urgency(event: AlarmEvent) -> str:
    if not is_in_force(event):
        return "Past"
    return "Immediate" if event.severity >= Severity.MAJOR else "Expected"


def _add_area(info: Element, event: AlarmEvent, model: CityModel) -> None:
    area = SubElement(info, f"{{{NAMESPACE}}}area")
    _add(area, "areaDesc", model.entities[event.entity].name)
    geometry = area_geometry(event.entity, model)
    if geometry is not None:
        polygons = cap_polygons(geometry)
        for polygon in polygons:
            _add(area, "polygon", polygon)
        circle = cap_circle(geometry) if not polygons else None
        if circle is not None:
            _add(area, "circle", circle)
    _add_named(area, "geocode", "livetwin:entity", event.entity)


def _add_named(parent: Element, name: str, value_name: str, value: str) -> None:
    element = SubElement(parent, f"{{{NAMESPACE}}}{name}")
    _add(element, "valueName", value_name)
    _add(element, "value", value)


def _add(parent: Element, name: str, text: str) -> None:
    # XML 1.0 cannot represent most control characters, which names of an earlier version may have.
    SubElement(parent, f"{{{NAMESPACE}}}{name}").text = one_line(text)


def _xml(root: Element) -> bytes:
    document: bytes = tostring(root, encoding="utf-8", xml_declaration=True, default_namespace=NAMESPACE)
    return document


def cap_polygons(geometry: Geometry) -> list[str]:
    """Return the outer rings of a geometry: `lat,lon` pairs, the last equal to the first.

    >>> cap_polygons({"type": "Polygon", "coordinates": [[[4.7, 52.6], [4.8, 52.6], [4.8, 52.7]]]})
    ['52.6,4.7 52.6,4.8 52.7,4.8 52.6,4.7']
    """
    return [_polygon(ring) for ring in _rings(geometry) if len(ring) >= 3]


def cap_circle(geometry: Geometry) -> str | None:
    """Return the circle around a geometry without polygons: `lat,lon radius`, in kilometres.

    >>> cap_circle({"type": "Point", "coordinates": [4.75, 52.63]})
    '52.63,4.75 0.1'
    """
    box = bounding_box(geometry)
    if box is None:
        return None
    centre = (box.west + box.east) / 2, (box.south + box.north) / 2
    farthest = max(
        distance_m({"type": "Point", "coordinates": list(position)}, centre)
        for position in positions(geometry)
    )
    return f"{_pair(centre)} {max(POINT_RADIUS_KM, round(farthest / 1000, 3)):g}"


def area_geometry(entity: str, model: CityModel) -> Geometry | None:
    """Return the geometry of an entity, or of the nearest area that has one."""
    geometries = (model.entities[area].geometry for area in model.around(entity))
    return next((one for one in geometries if one is not None), None)


def _rings(geometry: Geometry) -> Iterator[Any]:
    for part in geometry.get("geometries", ()):
        yield from _rings(part)
    if geometry["type"] == "Polygon":
        yield from geometry["coordinates"][:1]
    elif geometry["type"] == "MultiPolygon":
        yield from (rings[0] for rings in geometry["coordinates"] if rings)


def _polygon(ring: Any) -> str:
    pairs = [_pair(position) for position in ring]
    return " ".join(pairs if pairs[0] == pairs[-1] else [*pairs, pairs[0]])


def _pair(position: Any) -> str:
    longitude, latitude = position[0], position[1]
    return f"{round(latitude, DECIMALS):.10g},{round(longitude, DECIMALS):.10g}"
