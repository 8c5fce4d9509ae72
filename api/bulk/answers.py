"""The answers of downloads, one for each media type."""

from __future__ import annotations

from api.bulk.media_types import ARROW, CSV, JSON_LINES, PARQUET
from api.bulk.models import AlarmEventRow, ObservationRow
from api.http.answers import Answer
from api.http.models import Model

_HEADERS = {
    "Content-Disposition": "A name for the file.",
    "Content-Location": "This download with its `start`, `end` and `knownAt`.",
    "Accept-Ranges": "`none`: a download goes on from a `cursor`.",
}


def _answers(description: str, row: type[Model], example: str) -> tuple[Answer[str] | Answer[bytes], ...]:
    return (
        Answer(
            model=str,
            description=description,
            example=example,
            media_type=CSV,
            headers=_HEADERS,
            streamed=True,
        ),
        Answer(
            model=str,
            description=description,
            media_type=JSON_LINES,
            item=row,
            headers=_HEADERS,
            streamed=True,
        ),
        *(
            Answer(
                model=bytes,
                description=description,
                media_type=media_type,
                headers=_HEADERS,
                streamed=True,
            )
            for media_type in (ARROW, PARQUET)
        ),
    )


OBSERVATIONS = _answers(
    "Observations, oldest first.",
    ObservationRow,
    "phenomenonTime,receivedTime,datastreamId,entityId,sensorId,property,value,unit,quality,cursor\r\n"
    "2026-11-23T12:00:00Z,2026-11-23T12:00:01Z,17,alkmaar.overdie,aq-overdie-1,pm2_5,11.2,ug/m3,good,\r\n",
)
ALARM_EVENTS = _answers(
    "Events of alarms, oldest first by when they were published.",
    AlarmEventRow,
    "toldTime,time,alarmId,revision,amendment,kind,late,rule,…\r\n"
    "2026-11-23T12:00:03Z,2026-11-23T12:00:00Z,high-water~alkmaar.singelgracht,5,0,raised,false,high-water,…\r\n",
)
