"""The columns of the tables that can be downloaded: one description of all formats."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

ColumnKind: TypeAlias = Literal["time", "number", "integer", "truth", "text", "word"]
"""`word` is a text of which many rows have the same: Arrow and Parquet store it as a number."""


class Column(NamedTuple):
    """A column."""

    name: str
    kind: ColumnKind
    description: str


CURSOR = Column(
    "cursor",
    "text",
    "In the last row of each part, if more rows may follow: `cursor` of a request for the rows after it; "
    "else null.",
)


class BulkTable(NamedTuple):
    """A table that can be downloaded; `CURSOR` is its last column."""

    name: str
    columns: tuple[Column, ...]


OBSERVATIONS = BulkTable(
    "observations",
    (
        Column("phenomenonTime", "time", "When it was true in the city."),
        Column(
            "receivedTime", "time", "When it was received; tells the versions of a corrected value apart."
        ),
        Column("datastreamId", "integer", "The sensor and the property."),
        Column("entityId", "word", "What the value is of."),
        Column("sensorId", "word", "Null when the sensor has left the model."),
        Column("property", "word", "The observed property."),
        Column("value", "number", "Calibrated, in `unit`."),
        Column("unit", "word", "UCUM."),
        Column("quality", "word", "good, estimated, late, suspect or maintenance."),
        CURSOR,
    ),
)

ALARM_EVENTS = BulkTable(
    "alarm-events",
    (
        Column("toldTime", "time", "When it was published: the order of the rows."),
        Column("time", "time", "When it happened in the city."),
        Column("alarmId", "text", "`rule~entity`, or `rule~entity~sensor`."),
        Column("revision", "integer", "Of the alarm."),
        Column("amendment", "integer", "Above 0 for an event that was added to the past."),
        Column("kind", "word", "What happened, such as raised or acknowledged."),
        Column("late", "truth", "Whether late data caused it, so that it concerns the past."),
        Column("rule", "word", "Its id."),
        Column("ruleVersion", "integer", ""),
        Column("entityId", "word", "What the alarm is about."),
        Column("sensorId", "text", "Null unless the alarm is of one sensor."),
        Column("theme", "word", ""),
        Column("state", "word", "Of the alarm after the event (ISA-18.2)."),
        Column("active", "truth", "Whether the condition holds."),
        Column("acknowledged", "truth", ""),
        Column("severity", "word", "warning, minor, major or critical."),
        Column("occurrence", "integer", "Counts from 1."),
        Column("raisedTime", "time", "Null when the occurrence was retracted."),
        Column("returnedTime", "time", ""),
        Column("acknowledgedTime", "time", ""),
        Column("acknowledgedBy", "text", "Null for anonymous clients."),
        Column("shelvedUntil", "time", ""),
        Column("suppressedBy", "text", "Id of an alarm, or `maintenance`."),
        Column("assignee", "text", "Null for anonymous clients."),
        Column("cause", "word", "Of the incident."),
        Column("area", "word", "Of the incident."),
        Column("sentenceEn", "text", "What happened."),
        Column("sentenceNl", "text", "The same in Dutch."),
        Column(
            "operands", "text", "JSON: the values that the rule found, as `/v1/alarms/{id}/events` has them."
        ),
        Column("actor", "text", "Null for the process, and for anonymous clients."),
        Column("text", "text", "Comment or reason; null for anonymous clients."),
        CURSOR,
    ),
)
