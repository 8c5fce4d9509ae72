"""A city with two days of readings, corrections and findings, for downloads."""

from __future__ import annotations

from typing import NamedTuple

from tests.integration.api.stored_city import StoredCity
from tests.support.database.history_rows import store_assessments, store_observations
from twin.instant import DAY, MINUTE, SECOND, Instant, format_instant, parse_instant, to_datetime
from twin.model.observation import Observation
from twin.quality.quality_flags import QualityFlag

START = parse_instant("2026-10-24T00:00:00Z")
END = START + 2 * DAY
SPAN = f"start={format_instant(START)}&end={format_instant(END)}"
CORRECTED = START + DAY
STEP = 10 * MINUTE


class Readings(NamedTuple):
    """What is stored."""

    city: StoredCity
    corrected_at: Instant  #: reception of the correction of the values at `CORRECTED`


async def store_readings(stored: StoredCity) -> Readings:
    """Readings of two open entities, of two properties, and of a household, some late, one corrected."""
    rows = [
        Observation(
            stored.datastream(entity, property),
            time,
            # Each tenth one arrives two hours late.
            time + (120 * MINUTE if number % 10 == 9 else SECOND),
            number / 7,
            int(QualityFlag.ESTIMATED) if number % 25 == 3 else 0,
        )
        for entity in ("city.0", "city.1", "city.7")
        for property in ("pm2_5", "no2")
        for number, time in enumerate(range(START, END, STEP))
    ]
    await store_observations(stored.connection, rows)
    id = stored.datastream("city.0")
    await store_assessments(
        stored.connection, [(id, START + 7 * STEP, int(QualityFlag.SPIKE), START + 8 * STEP)]
    )
    corrected_at = CORRECTED + 3 * DAY
    await stored.connection.execute(
        "INSERT INTO superseded_observation (datastream_id, phenomenon_time, received_time, superseded_time, "
        "value, flags) SELECT datastream_id, phenomenon_time, received_time, %(at)s, value, flags "
        "FROM observation WHERE phenomenon_time = %(time)s AND datastream_id = %(id)s",
        {"at": to_datetime(corrected_at), "time": to_datetime(CORRECTED), "id": id},
    )
    await stored.connection.execute(
        "UPDATE observation SET received_time = %(at)s, value = 999 "
        "WHERE phenomenon_time = %(time)s AND datastream_id = %(id)s",
        {"at": to_datetime(corrected_at), "time": to_datetime(CORRECTED), "id": id},
    )
    await stored.connection.execute(
        'INSERT INTO calibration (sensor_id, property, start, "end", gain, "offset", note, created_at) '
        "VALUES ('s-city.1', 'no2', %s, %s, 2, 1, '', %s)",
        (to_datetime(START + 5 * STEP), to_datetime(START + 9 * STEP), to_datetime(START)),
    )
    await stored.connection.commit()
    return Readings(stored, corrected_at)
