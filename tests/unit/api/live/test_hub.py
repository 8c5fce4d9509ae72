"""The hub: which subscriber gets which event, and resuming from the replay buffer."""

from __future__ import annotations

import json
from typing import Any

from msgspec import structs

from api.entities.selection import EntityFilter
from api.live.cursor import Cursor, decode_cursor
from api.live.events import encode_event
from api.live.hub import Hub
from api.live.live_view import ViewSeed
from api.live.models import GapReason
from api.live.subscriber import Subscriber
from twin.instant import HOUR, MINUTE, SECOND, Duration, Instant, parse_instant
from twin.model.city_model import CityModel
from twin.model.observation import LastGoodValue
from twin.quality.quality_flags import QualityFlag
from twin.state.freshness import live_duration
from twin.wire.messages import UpdateKind

NOW = parse_instant("2026-11-23T12:00:00Z")

EVERYTHING = EntityFilter()
WATER = EntityFilter(themes=frozenset({"water"}))


def subscriber(filter: EntityFilter = EVERYTHING, queue_bytes_max: int = 100_000) -> Subscriber:
    return Subscriber(filter, queue_bytes_max)


async def events(subscriber: Subscriber) -> list[tuple[str, dict[str, Any]]]:
    """Return the queued events of a subscriber: cursor and data of each."""
    chunk = await subscriber.next_chunk(0.001) or b""
    decoded = []
    for text in chunk.decode().split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in text.split("\n"))
        decoded.append((fields["id"], json.loads(fields["data"])))
    return decoded


async def test_changes_after_the_snapshot_are_sent_once(hub: Hub, make_update: Any) -> None:
    hub.on_updates(0, 0, [make_update(1, 1)])
    follower = subscriber()
    assert [shown.update.revision for shown in hub.join(follower).values] == [1]
    hub.on_updates(0, 1, [make_update(1, 2), make_update(2, 3)])
    assert [data["revision"] for _, data in await events(follower)] == [2, 3]


async def test_a_subscriber_gets_only_the_events_of_its_filter(hub: Hub, make_update: Any) -> None:
    follower = subscriber(WATER)
    hub.join(follower)
    hub.on_updates(0, 0, [make_update(1, 1), make_update(4, 1, -0.47)])
    sent = await events(follower)
    assert [data["property"] for _, data in sent] == ["water_level"]
    assert sent[0][1] == {
        "entityId": "city.canal",
        "property": "water_level",
        "value": -0.47,
        "unit": "m",
        "phenomenonTime": "2026-11-23T12:00:00Z",
        "receivedTime": "2026-11-23T12:00:00Z",
        "quality": "good",
        "freshness": "live",
        "revision": 1,
        "count": 1,
    }


async def test_a_suspect_value_is_sent_with_the_last_good_one(hub: Hub, make_update: Any) -> None:
    follower = subscriber()
    hub.join(follower)
    suspect = structs.replace(
        make_update(1, 1, 900.0, flags=QualityFlag.SPIKE), last_good=LastGoodValue(11.0, NOW - 10 * MINUTE)
    )
    hub.on_updates(0, 0, [suspect])
    ((_, data),) = await events(follower)
    assert (data["quality"], data["value"]) == ("suspect", 900.0)
    assert data["lastGood"] == {"value": 11.0, "phenomenonTime": "2026-11-23T11:50:00Z"}


async def test_indicators_and_roll_ups_are_sent_with_their_unit_and_selected_by_theme(
    hub: Hub, make_derived: Any, make_update: Any
) -> None:
    environment, lki = (
        subscriber(EntityFilter(themes=frozenset({"environment"}))),
        subscriber(EntityFilter(properties=frozenset({"lki"}))),
    )
    for follower in (environment, lki):
        hub.join(follower)
    hub.on_updates(
        0,
        0,
        [
            make_derived("city.east.hill", "lki", 1, 3.0),
            make_derived("city", "area_pm2_5", 1, 11.0),
            make_derived("city.canal", "freeboard", 1, 0.3),
            make_derived("city.canal", "nonsense", 2),
        ],
    )
    sent = [data for _, data in await events(environment)]
    assert [(follower["property"], follower["unit"], follower["count"]) for follower in sent] == [
        ("lki", "1", 12),
        ("area_pm2_5", "ug/m3", 12),
    ]
    assert [data["property"] for _, data in await events(lki)] == ["lki"]


async def test_an_update_of_a_household_is_sent_to_no_subscriber_and_advances_the_position(
    hub: Hub, make_update: Any
) -> None:
    follower = subscriber()
    hub.join(follower)
    hub.on_updates(
        1, 0, [structs.replace(make_update(5, 1, 0.4), kind=UpdateKind.PERSONAL), make_update(4, 1)]
    )
    sent = await events(follower)
    assert [data["entityId"] for _, data in sent] == ["city.canal"]
    assert hub.positions[1] == (1, 0)
    assert not hub.join(subscriber(EntityFilter(entities=frozenset({"city.house"})))).values


async def test_an_amendment_is_sent_to_no_subscriber_and_changes_no_state(
    hub: Hub, make_derived: Any
) -> None:
    follower = subscriber()
    hub.join(follower)
    newest = make_derived("city.east.hill", "lki", 1, 3.0)
    amended = structs.replace(newest, revision=2, value=9.0, kind=UpdateKind.AMENDMENT)
    hub.on_updates(1, 0, [newest, amended])
    assert [data["value"] for _, data in await events(follower)] == [3.0]
    assert hub.positions[1] == (1, 0)
    assert [shown.update.revision for shown in hub.join(subscriber()).values] == [1]


async def test_resuming_at_any_event_returns_exactly_the_rest(hub: Hub, make_update: Any) -> None:
    follower = subscriber()
    hub.join(follower)
    hub.on_updates(0, 0, [make_update(1, 1), make_update(2, 2), make_update(3, 3)])
    hub.on_updates(1, 0, [make_update(4, 1), make_update(4, 2)])
    hub.on_updates(0, 1, [make_update(1, 4)])
    sent = await events(follower)
    assert len(sent) == 6
    for number, (cursor, _) in enumerate(sent):
        missed = hub.resume(subscriber(), decode_cursor(cursor))
        assert missed is not None
        assert [(entry.change.entity, entry.change.revision) for entry in missed.changes] == [
            (data["entityId"], data["revision"]) for _, data in sent[number + 1 :]
        ]


async def test_the_hub_does_not_resume_beyond_its_buffer(hub: Hub, make_update: Any) -> None:
    start = hub.cursor()
    for offset in range(9):
        hub.on_updates(0, offset, [make_update(1, offset + 1)])
    assert hub.resume(subscriber(), start) is None


async def test_a_slow_subscriber_is_lost_and_others_are_not(hub: Hub, make_update: Any) -> None:
    slow, quick = subscriber(queue_bytes_max=600), subscriber()
    hub.join(slow)
    hub.join(quick)
    for offset in range(20):
        hub.on_updates(0, offset, [make_update(1, offset + 1)])
    assert slow.lost is GapReason.TOO_SLOW
    assert await slow.next_chunk(0.001) is None
    assert len(await events(quick)) == 20
    assert [shown.update.revision for shown in hub.join(slow).values] == [20]
    hub.on_updates(0, 20, [make_update(1, 21)])
    assert [data["revision"] for _, data in await events(slow)] == [21]


async def test_a_new_log_loses_every_subscriber(hub: Hub, make_update: Any) -> None:
    follower = subscriber()
    hub.join(follower)
    hub.on_updates(0, 0, [make_update(1, 1)])
    hub.reset("log-2", ViewSeed(updates=(make_update(1, 1),)), [0] * 4)
    assert follower.lost is GapReason.LOG_CHANGED
    snapshot = hub.join(follower)
    assert snapshot.cursor.log == "log-2"
    assert [shown.update.revision for shown in snapshot.values] == [1]


async def test_ageing_is_sent_with_the_same_revision(hub: Hub, clock: Any, make_update: Any) -> None:
    follower = subscriber()
    hub.join(follower)
    hub.on_updates(0, 0, [make_update(1, 1)])
    (before, _), *_ = await events(follower)
    clock.now += live_duration(10 * MINUTE) + 1
    hub.age_values()
    ((after, data),) = await events(follower)
    assert (data["revision"], data["freshness"]) == (1, "stale")
    missed = hub.resume(subscriber(), decode_cursor(before))
    assert missed is not None
    assert [(shown.update.revision, shown.freshness) for shown in missed.aged] == [(1, "stale")]
    missed = hub.resume(subscriber(), decode_cursor(after))
    assert missed is not None
    assert not missed.aged


async def test_the_cursor_says_how_late_updates_come(hub: Hub, clock: Any, make_update: Any) -> None:
    def come(partition: int, delay: Duration, revision: int) -> Instant:
        update = structs.replace(make_update(1, revision), received_time=clock() - delay)
        hub.on_updates(partition, revision, [update])
        return hub.cursor().received_until

    assert come(0, SECOND, 1) == 0
    first = come(0, 60 * SECOND, 2)
    assert first == clock() - 60 * SECOND
    # The other partition is not behind, which says nothing of this one.
    assert come(1, SECOND, 3) == first
    assert come(0, SECOND, 4) == 0
    # A history that is played into the system comes as late as it is old.
    assert come(0, 24 * HOUR, 5) == 0
    # Nothing more came.
    assert come(0, 60 * SECOND, 6) != 0
    clock.now += 2 * MINUTE
    hub.mark_position()
    assert hub.cursor().received_until == 0


async def test_a_new_model_with_an_entity_shows_its_values(
    hub: Hub, model: CityModel, make_update: Any
) -> None:
    without = model.entities["city.canal"]
    smaller = type(model)(
        version=0,
        city=model.city,
        entities={id: follower for id, follower in model.entities.items() if follower is not without},
        sensors=model.sensors,
        datastreams=model.datastreams,
    )
    hub.set_model(smaller)
    follower = subscriber()
    hub.join(follower)
    hub.on_updates(0, 0, [make_update(4, 1)])
    assert await events(follower) == []
    hub.set_model(model)
    assert [data["entityId"] for _, data in await events(follower)] == ["city.canal"]


async def test_a_hub_behind_a_cursor_has_not_reached_it(hub: Hub) -> None:
    assert not hub.has_reached(Cursor("log-1", ((3, 0), *((0, 0),) * 3), 0))
    assert hub.has_reached(Cursor("log-1", ((0, 0),) * 4, 0))


def beating(filter: EntityFilter = EVERYTHING, heartbeat_s: float = 5.0) -> Subscriber:
    return Subscriber(filter, 100_000, heartbeat_s)


async def test_a_heartbeat_comes_behind_the_events_before_it_with_the_cursor_behind_them(
    hub: Hub, make_update: Any
) -> None:
    hub.reset("log-1", ViewSeed(), [0] * 8)
    follower, silent = beating(), subscriber()
    hub.join(follower)
    hub.join(silent)
    hub.on_updates(0, 0, [make_update(1, 1)])
    hub.on_progress(NOW - SECOND, NOW - 2 * SECOND)
    hub.send_heartbeats(100.0)
    hub.on_updates(0, 1, [make_update(1, 2)])
    (_, first), (cursor, heartbeat), (_, second) = await events(follower)
    assert [first["revision"], second["revision"]] == [1, 2]
    assert heartbeat == {
        "time": "2026-11-23T12:00:00Z",
        "caughtUpTime": "2026-11-23T11:59:59Z",
        "updateTime": "2026-11-23T11:59:58Z",
    }
    assert len(await events(silent)) == 2
    # Who resumes at a heartbeat gets exactly what came after it.
    missed = hub.resume(beating(), decode_cursor(cursor))
    assert missed is not None
    assert [each.change.revision for each in missed.changes] == [2]


async def test_heartbeats_come_in_their_interval_and_again_after_a_loss(hub: Hub) -> None:
    follower = beating(heartbeat_s=5.0)
    hub.join(follower)
    sent = []
    for now_s in range(100, 111):
        hub.send_heartbeats(float(now_s))
        sent += [now_s] * len(await events(follower))
    assert sent == [100, 105, 110]
    hub.reset("log-2", ViewSeed(), [0] * 8)
    hub.send_heartbeats(120.0)
    assert follower.lost is GapReason.LOG_CHANGED
    hub.join(follower)
    hub.send_heartbeats(121.0)
    ((_, heartbeat),) = await events(follower)
    assert (heartbeat["caughtUpTime"], heartbeat["updateTime"]) == (None, None)
    hub.leave(follower)
    hub.send_heartbeats(130.0)
    assert await events(follower) == []


async def test_a_heartbeat_tells_nothing_newer_than_what_was_read(hub: Hub) -> None:
    """The clock goes on while nothing is read: the difference shows it."""
    follower = beating()
    hub.join(follower)
    hub.on_progress(NOW, NOW)
    hub.on_progress(None, None)
    hub.on_progress(NOW - SECOND, NOW - SECOND)  # A clock was set back.
    for now_s in (100.0, 200.0):
        hub.send_heartbeats(now_s)
    times = [(data["caughtUpTime"], data["updateTime"]) for _, data in await events(follower)]
    assert times == [("2026-11-23T12:00:00Z", "2026-11-23T12:00:00Z")] * 2


async def test_a_heartbeat_is_encoded_once_for_all_subscribers(hub: Hub, monkeypatch: Any) -> None:
    encoded: list[bytes] = []

    def encode(*arguments: Any) -> bytes:
        encoded.append(encode_event(*arguments))
        return encoded[-1]

    monkeypatch.setattr("api.live.hub.encode_event", encode)
    followers = [beating(filter) for filter in (EVERYTHING, WATER) for _ in range(500)]
    for each in followers:
        hub.join(each)
    hub.send_heartbeats(100.0)
    assert len(encoded) == 1
    assert {await each.next_chunk(0.001) for each in followers} == set(encoded)


async def test_who_does_not_read_is_lost_and_gets_no_more_heartbeats(hub: Hub) -> None:
    follower = Subscriber(EVERYTHING, 250, 1.0)
    hub.join(follower)
    for now_s in range(100, 110):
        hub.send_heartbeats(float(now_s))
    assert follower.lost is GapReason.TOO_SLOW
    follower.reset()
    hub.send_heartbeats(200.0)
    assert await events(follower) == []
