"""The documents of a dossier: events, messages, observations and points as JSON, and back.

Times are RFC 3339 in UTC and durations microseconds; names follow the API. Numbers are written so that they
read back as the same number.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import msgspec

from twin.alarms.evaluation.baseline import Baseline
from twin.alarms.messages import AlarmEvent, IncidentEvent, OperandValue
from twin.alarms.rules.operand import ObservationRef, OperandSeries, Point
from twin.alarms.severity import Severity, severity_of
from twin.instant import Instant, format_instant, parse_instant
from twin.quality.quality_flags import quality_word
from twin.wire.duty_messages import NotificationEvent

Document: TypeAlias = dict[str, Any]

README = """\
A dossier: everything that one alarm rests on and led to, as LiveTwin knew it at one instant.

manifest.json        what this is about, and the SHA-256 of every other file
manifest.jws         signature of manifest.json: a detached JWS (RFC 7515, appendix F) with Ed25519 (RFC 8037)
messages.jsonl       the raw messages behind the alarm, in the order of their reception; payloads in base64
observations.jsonl   the observations behind it, as they were known at that instant
inputs.json          what was not computed again from raw messages, and why
model.json           the part of the city's model that the alarm depends on, when the alarm was raised
rules.jsonl          the versions of the rule that decided, and who made them
events.jsonl         every transition of the alarm, with the values that caused it, and who did what
incidents.jsonl      every state of the incidents that the alarm belongs to
notifications.jsonl  who was told when, over which channel, of which alarms, and what became of the message

`livetwin dossier verify FILE --key KEY` checks the signature and the digests, decodes the messages again and
evaluates the rule again, on any machine with LiveTwin and without a connection. Compare the key with one that
you got by another way than this file: whoever can make a file can make a key.
"""

_EVENT_FIELDS = tuple(name for name in AlarmEvent.__struct_fields__ if name != "operands")
_SEVERITIES = frozenset({"severity", "worst"})


def _is_time(field: str) -> bool:
    return field == "time" or field.endswith("_time") or field == "shelved_until"


def camel(field: str) -> str:
    """Return the name of a field in JSON.

    >>> camel("phenomenon_time")
    'phenomenonTime'
    """
    first, *rest = field.split("_")
    return first + "".join(part.title() for part in rest)


def _text(time: Instant | None) -> str | None:
    return format_instant(time) if time is not None else None


# -- events ---------------------------------------------------------------------------------------------


def event_document(event: AlarmEvent, amendment: int = 0) -> Document:
    """Return an event of an alarm; `amendment` numbers those that were added to its past."""
    found: Document = {"amendment": amendment}
    for name in _EVENT_FIELDS:
        value = getattr(event, name)
        if _is_time(name):
            value = _text(value)
        elif name in _SEVERITIES:
            value = Severity(value).word
        found[camel(name)] = value
    found["operands"] = [_operand_document(one) for one in event.operands]
    return found


def event_from_document(document: Document) -> AlarmEvent:
    """Return the event in a document. Raises KeyError, TypeError or ValueError for another document."""
    values: dict[str, Any] = {}
    for name in _EVENT_FIELDS:
        value = document[camel(name)]
        if _is_time(name):
            value = parse_instant(value) if value is not None else None
        elif name in _SEVERITIES:
            value = severity_of(value)
        values[name] = value
    values["operands"] = tuple(_operand_from_document(one) for one in document["operands"])
    return msgspec.convert(tuple(values[name] for name in AlarmEvent.__struct_fields__), AlarmEvent)


def _operand_document(operand: OperandValue) -> Document:
    return {
        **operand._asdict(),
        "quality": quality_word(operand.flags),
        "time": format_instant(operand.time),
        "sources": [source_document(one) for one in operand.sources],
    }


def _operand_from_document(document: Document) -> OperandValue:
    known = {name: document[name] for name in OperandValue._fields}
    known["time"] = parse_instant(known["time"])
    known["sources"] = tuple(_source_from_document(one) for one in known["sources"])
    return OperandValue(**known)


def source_document(source: ObservationRef) -> Document:
    """Return a reference to an observation."""
    return {
        "datastreamId": source.datastream,
        "phenomenonTime": format_instant(source.phenomenon_time),
    }


def _source_from_document(document: Document) -> ObservationRef:
    return ObservationRef(document["datastreamId"], parse_instant(document["phenomenonTime"]))


# -- incidents and notifications ------------------------------------------------------------------------


def incident_document(event: IncidentEvent) -> Document:
    """Return a state of an incident."""
    found: Document = {}
    for name in IncidentEvent.__struct_fields__:
        value = getattr(event, name)
        if _is_time(name):
            value = _text(value)
        elif name == "severity":
            value = Severity(value).word
        elif name == "members":
            value = [
                {
                    **one._asdict(),
                    "severity": Severity(one.severity).word,
                    "time": format_instant(one.time),
                }
                for one in value
            ]
        found[camel(name)] = value
    return found


def notification_document(event: NotificationEvent, name: str, told: IncidentEvent | None) -> Document:
    """Return a state of a message to a person; `told` is the incident when it was decided to send it.

    `name` is that of the contact. Addresses are in no dossier: a name says who was told.
    """
    found: Document = {
        camel(field): _text(getattr(event, field)) if _is_time(field) else getattr(event, field)
        for field in NotificationEvent.__struct_fields__[1:]
        if field != "answerable"
    }
    found["contactName"] = name
    found["told"] = None
    if told is not None:
        found["told"] = {
            "incidentRevision": told.revision,
            "alarms": [{"alarm": one.alarm, "revision": one.revision} for one in told.members],
        }
    return found


# -- inputs ---------------------------------------------------------------------------------------------


def series_document(series: OperandSeries) -> Document:
    """Return the key of a series."""
    return series._asdict()


def series_from_document(document: Document) -> OperandSeries:
    """Return the series that a document names."""
    return msgspec.convert(tuple(document[name] for name in OperandSeries._fields), OperandSeries)


def point_document(point: Point) -> Document:
    """Return a point of a series."""
    return {
        "time": format_instant(point.time),
        "value": None if point.is_withdrawn else point.value,
        "flags": point.flags,
        "validUntil": format_instant(point.valid_until),
        "sources": [source_document(one) for one in point.sources],
    }


def points_from_documents(documents: Sequence[Document]) -> list[Point]:
    """Return the points in documents."""
    return [
        Point(
            parse_instant(one["time"]),
            float(one["value"]) if one["value"] is not None else math.nan,
            int(one["flags"]),
            parse_instant(one["validUntil"]),
            tuple(_source_from_document(source) for source in one["sources"]),
        )
        for one in documents
    ]


def baseline_document(series: OperandSeries, baseline: Baseline) -> Document:
    """Return the baseline of a series: hourly means by hour of the week, oldest first."""
    return {
        "series": series_document(series),
        "means": {str(hour): list(means) for hour, means in sorted(baseline.means.items())},
        "hour": baseline.hour,
        "total": baseline.total,
        "count": baseline.count,
    }


def baseline_from_document(document: Document) -> tuple[OperandSeries, Baseline]:
    """Return the series and the baseline in a document."""
    means = {int(hour): [float(one) for one in means] for hour, means in document["means"].items()}
    return series_from_document(document["series"]), Baseline(
        means, int(document["hour"]), float(document["total"]), int(document["count"])
    )
