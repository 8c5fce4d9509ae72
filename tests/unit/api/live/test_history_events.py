"""What of stored observations is an event, and which updates of the log repeat one."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from api.entities.selection import EntityFilter, resolve_filter
from api.live.cursor import SEAM, Cursor, HistoryPlace, decode_cursor
from api.live.events import decode_events
from api.live.history.history_events import HistoryEvents, HistoryPage, PageLimits, history_page
from storage.history.lineage import SourceDatastream
from storage.history.observation_columns import ObservationColumns, ObservedDatastream
from storage.stores.alarms import StoredAlarmEvent
from tests.support.cities.city_builder import CityBuilder
from tests.support.payloads.alarm_events import alarm_event
from twin.instant import DAY, HOUR, MINUTE, parse_instant
from twin.model.city_model import CityModel
from twin.model.observation import Observation
from twin.quality.quality_flags import QualityFlag
from twin.wire.messages import Update, UpdateKind

NOON = parse_instant("2026-11-23T12:00:00Z")


@pytest.fixture
def model() -> CityModel:
    builder = CityBuilder("city", "City")
    builder.entity("city", "Municipality")
    for number in range(2):
        builder.sensor(f"s{number}", "city", "pm2_5", feed="native", device=f"s{number}", interval=MINUTE)
    return builder.model()


def columns(*rows: tuple[int, int, int, float]) -> ObservationColumns:
    """Return observations: datastream, minutes of the phenomenon and of the reception, value."""
    ids, times, received, values = zip(*rows, strict=True)
    return ObservationColumns(
        np.array(ids, np.int32),
        np.array([NOON + each * MINUTE for each in times], np.int64),
        np.array([NOON + each * MINUTE for each in received], np.int64),
        np.array(values, np.float64),
        np.zeros(len(rows), np.int16),
    )


def history(model: CityModel, sensors: int = 1) -> tuple[HistoryEvents, list[int]]:
    found = model.datastreams_of("city", "pm2_5")[:sensors]
    selected = [
        ObservedDatastream(SourceDatastream(each.id, each.sensor, False), "city", "pm2_5") for each in found
    ]
    selection = resolve_filter(EntityFilter(), model)
    return HistoryEvents(selected, selection, model), [each.id for each in found]


def page(*rows: tuple[int, int, int, float]) -> HistoryPage:
    return HistoryPage(columns(*rows), [], HistoryPlace.between(NOON, NOON + DAY))


def told(minute: int, revision: int = 1, **others: Any) -> StoredAlarmEvent:
    """Return an event of an alarm that was told at a minute."""
    event = alarm_event(entity="city", revision=revision, told_time=NOON + minute * MINUTE, **others)
    return StoredAlarmEvent(event, 0)


def events(made: HistoryEvents, *rows: tuple[int, int, int, float]) -> list[tuple[Any, ...]]:
    """Return value, minute of the phenomenon and freshness of each event."""
    found = []
    for event in decode_events(b"".join(made.events(page(*rows)))):
        data = json.loads(event.data)
        minute = (parse_instant(data["phenomenonTime"]) - NOON) // MINUTE
        found.append((data["value"], minute, data["freshness"]))
    return found


def test_an_observation_older_than_the_newest_and_a_repeated_one_are_no_events(model: CityModel) -> None:
    made, (id,) = history(model)
    found = events(made, (id, 0, 0, 1.0), (id, 2, 2, 2.0), (id, 1, 3, 9.0), (id, 2, 4, 2.0), (id, 2, 9, 3.0))
    assert found == [(1.0, 0, "live"), (2.0, 2, "live"), (3.0, 2, "stale")]


def test_what_was_newest_at_the_place_decides_there(model: CityModel) -> None:
    made, (id,) = history(model)
    made.begin(columns((id, 2, 2, 2.0)))
    assert events(made, (id, 1, 3, 9.0), (id, 2, 4, 2.0), (id, 3, 5, 3.0)) == [(3.0, 3, "live")]


def test_a_value_of_several_sensors_is_combined(model: CityModel) -> None:
    made, (first, second) = history(model, sensors=2)
    found = events(made, (first, 0, 0, 1.0), (second, 1, 1, 3.0), (second, 60, 60, 5.0))
    # An hour later the first sensor is silent.
    assert [value for value, _, _ in found] == [1.0, 2.0, 5.0]


def test_its_cursor_is_the_place_of_the_observation(model: CityModel) -> None:
    made, (id,) = history(model)
    (event,) = decode_events(b"".join(made.events(page((id, 0, 3, 1.0)))))
    assert decode_cursor(event.cursor).history == HistoryPlace(NOON, NOON + 3 * MINUTE, id, NOON)


def test_a_value_that_is_no_number_is_no_event(model: CityModel) -> None:
    made, (id,) = history(model)
    assert events(made, (id, 0, 0, float("inf"))) == []


def test_only_the_first_update_of_a_played_observation_is_left_out() -> None:
    received = NOON - MINUTE
    observation = Observation(1, received, received, 5.0)
    update = Update("city", "pm2_5", 3, 5.0, received, received, 0, (1,), observation)
    cursor = Cursor("log", ((0, 0), (0, 0)), 0, played_until=NOON)
    assert cursor.was_played(update)
    assert not Cursor("log", ((0, 0), (0, 0)), 0).was_played(update)
    later = structs.replace(update, observation=observation._replace(received_time=NOON))
    assert not cursor.was_played(later)
    # Long after its reception: it was assessed anew.
    earlier = structs.replace(update, observation=observation._replace(received_time=NOON - SEAM - 1))
    assert not cursor.was_played(earlier)
    outvoted = structs.replace(update, flags=int(QualityFlag.DISAGREES))
    assert not cursor.was_played(outvoted)
    derived = structs.replace(update, kind=UpdateKind.INDICATOR, observation=None)
    assert not cursor.was_played(derived)


def test_events_of_alarms_are_between_the_observations_at_their_log_time(model: CityModel) -> None:
    made, (id,) = history(model)
    rows = columns((id, 1, 1, 1.0), (id, 2, 2, 2.0), (id, 3, 3, 3.0))
    alarms = [told(0).event, told(2, 2).event, told(9, 3).event]
    end = HistoryPlace.between(NOON, NOON + DAY)
    found = decode_events(b"".join(made.events(HistoryPage(rows, alarms, end))))
    data = [json.loads(event.data) for event in found]
    assert [each.get("value", each["revision"]) for each in data] == [1, 1.0, 2.0, 2, 3.0, 3]
    assert [event.name for event in found] == ["alarm", "state", "state", "alarm", "state", "alarm"]
    place = decode_cursor(found[3].cursor).history
    assert place == HistoryPlace.of_alarm(NOON, alarms[1])
    assert place.is_valid()
    assert not place.is_between
    assert made.alarm_revisions == {alarms[0].alarm: 3}


def test_events_of_alarms_that_are_not_selected_are_no_events(model: CityModel) -> None:
    selection = resolve_filter(EntityFilter(themes=frozenset({"water"})), model)
    made = HistoryEvents([], selection, model)
    end = HistoryPlace.between(NOON, NOON + DAY)
    alarms = [told(1, theme="climate").event, told(2, 2, theme="water").event]
    found = decode_events(b"".join(made.events(HistoryPage(None, alarms, end))))
    assert [json.loads(event.data)["revision"] for event in found] == [2]


@pytest.mark.parametrize(
    ("rows", "alarms", "shown", "place"),
    [
        # Nothing is left out: all of the span is known.
        ([1, 2], [1, 3], ([1, 2], [1, 3]), HistoryPlace.between(NOON, NOON + 9 * MINUTE)),
        # There may be further observations of minute 3, before the alarms of that minute.
        ([1, 2, 3], [1, 3], ([1, 2, 3], [1]), HistoryPlace(NOON, NOON + 3 * MINUTE, 5, NOON + 3 * MINUTE)),
        # There may be further alarms of minute 2, behind its observations.
        ([1, 2, 3], [1, 2, 2], ([1, 2], [1, 2, 2]), HistoryPlace.of_alarm(NOON, told(2, 3).event)),
        ([1, 3, 4], [1, 2, 2], ([1], [1, 2, 2]), HistoryPlace.of_alarm(NOON, told(2, 3).event)),
    ],
)
def test_a_page_ends_where_either_may_have_more(
    rows: list[int], alarms: list[int], shown: tuple[list[int], list[int]], place: HistoryPlace
) -> None:
    observations = columns(*((5, minute, minute, 1.0) for minute in rows))
    stored = [told(minute, revision) for revision, minute in enumerate(alarms, 1)]
    found = history_page(NOON, NOON + 9 * MINUTE, observations, stored, PageLimits(3, 3))
    assert found.observations is not None
    minutes = [(int(each) - NOON) // MINUTE for each in found.observations.received_time]
    assert (minutes, [(each.told_time - NOON) // MINUTE for each in found.alarms]) == shown
    assert found.end == place


def test_an_event_that_was_added_to_the_past_of_an_alarm_is_passed_over() -> None:
    stored = [told(1)._replace(amendment=1), told(2, 2)]
    assert history_page(NOON, NOON + DAY, None, stored, PageLimits(3, 3)).alarms == [stored[1].event]
    # Also at the end of a page, which has to get on.
    found = history_page(NOON, NOON + DAY, None, stored[:1], PageLimits(1, 1))
    assert (found.alarms, found.end) == ([], HistoryPlace.of_alarm(NOON, stored[0].event))


@pytest.mark.parametrize(
    "place",
    [
        HistoryPlace(0, 1 << 62, 1, 0),
        HistoryPlace(0, 0, 1 << 31, 0),
        HistoryPlace(0, 0, 1, 0, "a\0"),
        HistoryPlace(0, 0, 1, 0, "a", -1),
    ],
)
def test_a_place_outside_of_every_database_is_refused(place: HistoryPlace) -> None:
    assert not place.is_valid()
    assert place._replace(received_time=HOUR, datastream=1, alarm="a", revision=1).is_valid()
