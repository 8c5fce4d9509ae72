"""Notes series whose stored points were changed by a repair, so that the alarms on them are repaired, too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from storage.database import Connection, fetch_rows
from storage.queries import query
from storage.stores.log_positions import AGGREGATE_PROGRESS
from twin.instant import DAY, HOUR, Duration, Instant, from_datetime, to_datetime
from twin.model.names import AREA_PREFIX
from twin.state.window import Aggregate
from twin.state.window_history import HISTORY_SPANS

FEEDBACK_SPAN: Duration = max(HISTORY_SPANS.values())
"""For how long before the newest hour of a datastream its repaired windows are sent to the stream."""

DERIVED_REACH_MAX: Duration = DAY + HOUR
"""How long after its start a window counts in derived values: in means of a day, dated to their end."""


async def note_changed_series(
    connection: Connection, series: Iterable[tuple[str, str]], start: Instant
) -> None:
    """Note in the open transaction that stored points of series have changed from a time on.

    `series` are entities with the name of a property, an indicator or a roll-up (`area_…`).
    """
    pairs = sorted(set(series))
    parameters = {
        "entities": [entity for entity, _ in pairs],
        "names": [name for _, name in pairs],
        "start": to_datetime(start),
    }
    await connection.execute(query("maintenance/alarms/note_changed_series"), parameters)


async def read_newest_area_times(
    connection: Connection, areas: Sequence[str], names: Sequence[str]
) -> dict[tuple[str, str], Instant]:
    """Return the times of the states of areas, by area and name without `AREA_PREFIX`."""
    rows = await fetch_rows(
        connection,
        "maintenance/areas/list_newest_area_times",
        {"areas": list(areas), "names": [AREA_PREFIX + name for name in names]},
    )
    return {(area, name.removeprefix(AREA_PREFIX)): from_datetime(time) for area, name, time in rows}


async def note_changed_datastream(connection: Connection, datastream: int, start: Instant) -> None:
    """Note in the open transaction that observations or windows of a datastream have changed."""
    parameters = {"datastream": datastream, "start": to_datetime(start)}
    await connection.execute(query("maintenance/alarms/note_changed_datastream"), parameters)


async def request_series_of_datastream(
    connection: Connection, datastream: int, span: tuple[Instant, Instant]
) -> None:
    """Request in the open transaction all that is derived from a span of a datastream's windows."""
    parameters = {
        "datastream": datastream,
        "start": to_datetime(span[0]),
        "end": to_datetime(span[1] + DERIVED_REACH_MAX),
        "windows": AGGREGATE_PROGRESS,
    }
    await connection.execute(query("maintenance/series/request_series_of_datastream"), parameters)


async def note_repaired_points(
    connection: Connection,
    datastream: int,
    entity: str,
    newest: Mapping[str, Instant],
    repaired: Sequence[str],
) -> None:
    """Note in the open transaction that points of an entity have changed, the newest of each name at a time.

    Its newest points are then sent to the stream, under one of its datastreams. So they are where the state
    of a repaired name is not its newest point: the stream may have been told one that is withdrawn since, or
    may not know the newest any more.
    """
    parameters = {
        "datastream": datastream,
        "entity": entity,
        "repaired": repaired,
        "names": list(newest),
        "times": [to_datetime(time) for time in newest.values()],
    }
    await connection.execute(query("maintenance/series/note_repaired_points"), parameters)


async def note_repaired_windows(connection: Connection, windows: Sequence[Aggregate]) -> None:
    """Note in the open transaction the windows of one datastream that the stream may still remember."""
    if windows:
        parameters = {
            "datastream": windows[0].datastream,
            "sizes": [window.size for window in windows],
            "starts": [to_datetime(window.start) for window in windows],
            "span": timedelta(microseconds=FEEDBACK_SPAN),
        }
        await connection.execute(query("maintenance/series/note_repaired_windows"), parameters)
