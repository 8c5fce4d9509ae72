"""The registry of decoders, and the routing of topics to them."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from ingest import decoders
from ingest.decoders import build_registry, registry
from ingest.decoding import Decoder, RegistrationError
from ingest.pipeline.routes import TopicRoutes
from runtime.mqtt.outlet_topics import OutletTopics, may_match_outlet_topic
from tests.support.payloads.device_payloads import TOPICS_AND_PAYLOADS
from twin.model.city_model import CityFeed

JSON_FIELDS = registry()["json_fields"]


def feed(filter: str, *, id: str = "own", decoder: str = "json_fields", level: int | None = None) -> CityFeed:
    return CityFeed(id=id, filter=filter, decoder=decoder, device_level=level)


def decoder(name: str, *, feeds: tuple[str, ...] = (), filters: tuple[str, ...] = ()) -> Decoder:
    return dataclasses.replace(JSON_FIELDS, name=name, feeds=feeds, filters=filters)


def matches(filter: str, topic: str) -> bool:
    return TopicRoutes({"json_fields": JSON_FIELDS}, [feed(filter)]).route(topic) is not None


def test_every_format_of_the_contract_is_registered() -> None:
    feeds = {one for found in registry().values() for one in found.feeds}
    assert {"native", "senml", "ttn", "chirpstack", "dsmr", "homewizard", "airrohr"} <= feeds


def test_topics_of_the_outlets_have_no_route() -> None:
    routes, topics = TopicRoutes(registry()), OutletTopics("alkmaar")
    for topic in (
        topics.entity_topic("alkmaar.overdie"),
        topics.alarm_topic("high~alkmaar.singel"),
        topics.marker_topic,
    ):
        assert routes.route(topic) is None
    assert [one for one in routes.filters if may_match_outlet_topic(one)] == []


def test_meters_of_households_are_personal_and_can_be_redacted() -> None:
    personal = {name for name, one in registry().items() if one.personal}
    assert personal == {"dsmr", "homewizard"}
    assert all(registry()[name].redact is not None for name in personal)


def test_a_module_with_a_decoder_adds_a_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "newcomer.py"
    module.write_text(
        "import dataclasses\n"
        "from ingest.decoders.json_fields import DECODER as MODEL\n"
        "DECODER = dataclasses.replace(MODEL, name='newcomer', feeds=('n',), filters=('n/+',))\n"
    )
    monkeypatch.setattr(decoders, "__path__", [*decoders.__path__, str(tmp_path)])
    try:
        found = registry.__wrapped__()
    finally:
        sys.modules.pop("ingest.decoders.newcomer", None)
    assert found.keys() - registry().keys() == {"newcomer"}
    route = TopicRoutes(found).route("n/7")
    assert route is not None
    assert route.feed == "n"


@pytest.mark.parametrize(
    "both",
    [
        (decoder("a"), decoder("a")),
        (decoder("a", feeds=("f",)), decoder("b", feeds=("f",))),
        (decoder("a", feeds=("f",), filters=("x/#",)), decoder("b", feeds=("g",), filters=("x/#",))),
        (decoder("a", filters=("x",)),),
    ],
    ids=["name", "feed", "filter", "no feed"],
)
def test_two_decoders_that_claim_the_same_are_an_error(both: tuple[Decoder, ...]) -> None:
    with pytest.raises(RegistrationError, match=r"'[abf]'"):
        build_registry(both)


@pytest.mark.parametrize("name", [name for name in sorted(registry()) if registry()[name].filters])
def test_a_topic_of_the_contract_is_routed_to_its_decoder(name: str) -> None:
    topic, _ = TOPICS_AND_PAYLOADS[name]
    route = TopicRoutes(registry()).route(topic)
    assert route is not None
    assert route[:3] == (name, registry()[name], None)


@pytest.mark.parametrize(
    "topic",
    [
        "v3/a@t/devices/d/join",
        "v3/a@t/devices/d/down/queued",
        "application/1/device/2/event/join",
        "dsmr/gw",
        "livetwin/alkmaar/x/observations/y",
        "livetwin/alkmaar/x",
        "",
        "/",
    ],
)
def test_any_other_topic_has_no_route(topic: str) -> None:
    assert TopicRoutes(registry()).route(topic) is None


# MQTT 5.0 §4.7.1 and §4.7.2, with the examples given there.
@pytest.mark.parametrize(
    ("filter", "topic", "expected"),
    [
        ("sport/tennis/player1/#", "sport/tennis/player1", True),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", True),
        ("sport/#", "sport", True),
        ("#", "any/thing", True),
        ("sport/tennis/+", "sport/tennis/player1", True),
        ("sport/tennis/+", "sport/tennis/player1/ranking", False),
        ("sport/+", "sport", False),
        ("sport/+", "sport/", True),
        ("+/+", "/finance", True),
        ("/+", "/finance", True),
        ("+", "/finance", False),
        ("+/tennis/#", "sport/tennis", True),
        ("sport", "Sport", False),
        ("#", "$SYS/uptime", False),
        ("+/monitor/Clients", "$SYS/monitor/Clients", False),
        ("$SYS/#", "$SYS/uptime", True),
        ("$SYS/monitor/+", "$SYS/monitor/Clients", True),
    ],
)
def test_filters_match_as_in_mqtt(filter: str, topic: str, expected: bool) -> None:
    assert matches(filter, topic) is expected


@pytest.mark.parametrize("filter", ["", "a+/b", "a/b#", "#/a", "a/#/b", "a/++", "a\0"])
def test_an_invalid_filter_is_an_error(filter: str) -> None:
    with pytest.raises(RegistrationError, match="filter"):
        matches(filter, "a")


def test_the_most_specific_filter_wins_and_a_citys_feed_before_a_built_in_one() -> None:
    feeds = [
        feed("#", id="all"),
        feed("dsmr/+/telegram", id="meters"),
        feed("dsmr/gw-7/telegram", id="one"),
        feed("dsmr/#", id="rest"),
    ]
    routes = TopicRoutes(registry(), feeds)

    def leads_to(topic: str) -> str:
        route = routes.route(topic)
        assert route is not None
        return route.feed

    assert leads_to("dsmr/gw-7/telegram") == "one"
    assert leads_to("dsmr/gw-8/telegram") == "meters"
    assert leads_to("dsmr/gw-8/other") == "rest"
    assert leads_to("x") == "all"
    assert leads_to("airrohr/1") == "airrohr"


def test_a_citys_feed_names_the_level_of_its_device() -> None:
    routes = TopicRoutes(registry(), [feed("kade/+/meting", level=1)])
    assert routes.route("kade/3/meting") == ("own", JSON_FIELDS, 1, 1)
    assert "kade/+/meting" in routes.filters


def test_a_topic_without_the_level_of_the_device_has_no_route() -> None:
    assert TopicRoutes(registry(), [feed("kade/#", level=2)]).route("kade/3") is None


def test_an_unknown_decoder_and_a_filter_used_twice_are_errors_that_say_so() -> None:
    with pytest.raises(RegistrationError, match=r"no decoder 'xml'; known are .*json_fields"):
        TopicRoutes(registry(), [feed("a", decoder="xml")])
    with pytest.raises(RegistrationError, match=r"'two'.*'one'"):
        TopicRoutes(registry(), [feed("a", id="one"), feed("a", id="two")])
