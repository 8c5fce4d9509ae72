"""Each device has an account that may publish on all topics it uses, and on no others."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from cities import default_city
from cities.folder_reader import read_city
from ingest.broker_accounts import BrokerAccount, BrokerAccountError, broker_accounts
from ingest.decoders import registry
from ingest.decoding import DecodingContext
from ingest.pipeline.mapping import DeviceMap
from ingest.pipeline.routes import TopicRoutes
from runtime.mqtt.outlet_topics import OutletTopics
from simulators.devices import devices_of
from simulators.truth.city_truth import CityTruth
from tests.support.cities.fleet import FEEDS, fleet
from twin.instant import parse_instant
from twin.model.city_model import CityFeed, CityPlan
from twin.wire.probe import probe_topic

NOON = parse_instant("2026-11-23T12:00:00Z")


def accounts_of(plan: CityPlan, *, simulator: bool = False) -> dict[str, BrokerAccount]:
    return {one.name: one for one in broker_accounts(plan, registry(), simulator=simulator)}


@cache
def _routes(filters: tuple[str, ...]) -> TopicRoutes:
    feeds = [CityFeed(id=str(number), filter=one, decoder="native") for number, one in enumerate(filters)]
    return TopicRoutes({"native": replace(registry()["native"], filters=())}, feeds)


def allows(filters: tuple[str, ...], topic: str) -> bool:
    return _routes(filters).route(topic) is not None


def plan_with_feed(filter: str, device_level: int | None, device: str = "rg-7") -> CityPlan:
    plan = fleet(1)
    feed = CityFeed(id="rain", filter=filter, decoder="json_fields", device_level=device_level)
    return replace(plan, feeds=(feed,), sensors=(replace(plan.sensors[0], feed="rain", device=device),))


@pytest.mark.parametrize("plan", [read_city(default_city()), fleet(3 * len(FEEDS))], ids=["Alkmaar", "fleet"])
def test_every_device_may_publish_on_its_own_topics_only(plan: CityPlan) -> None:
    accounts = accounts_of(plan, simulator=True)
    devices, _ = devices_of(plan, CityTruth(1, plan))
    assert {one.sensor.feed for one in devices} == set(FEEDS)
    for device in devices:
        topic = device.message(NOON).topic
        able = {name for name, account in accounts.items() if allows(account.writes, topic)}
        own = device.sensor.id if device.sensor.id in accounts else f"livetwin-feed-{device.sensor.feed}"
        assert able == {own, "livetwin-simulate"}, topic


def test_the_topic_identifies_the_device_whatever_its_payload_contains() -> None:
    plan = fleet(2 * len(FEEDS))
    model = plan.model(1)
    accounts, decoders = accounts_of(plan), registry()
    routes, known = TopicRoutes(decoders), DeviceMap(model, decoders, 4)
    messages = {one.sensor.id: one.message(NOON) for one in devices_of(plan, CityTruth(1, plan))[0]}
    context = DecodingContext(NOON, plan.city.timezone)
    own = [one for one in plan.sensors if one.id in accounts]
    assert {one.feed for one in own} == set(FEEDS) - {"ttn", "chirpstack"}
    for sensor in own:
        for other in plan.sensors:
            if other.feed == sensor.feed:
                topic = messages[sensor.id].topic
                route = routes.route(topic)
                assert route is not None
                decoded = route.decoder.decode(topic, messages[other.id].payload, context)
                device = known.find(route.decoder.feeds, decoded.device)
                assert device is not None
                assert device.sensor.id == sensor.id


def test_devices_read_nothing_and_ingest_writes_nothing() -> None:
    plan = read_city(default_city())
    accounts = accounts_of(plan)
    readers = {name for name, account in accounts.items() if account.reads}
    assert readers == {"livetwin-ingest-0", "livetwin-outlets", "livetwin-reader"}
    assert accounts["livetwin-ingest-0"].writes == ()
    assert accounts["livetwin-reader"].writes == ()


def test_only_outlets_publishes_states_and_only_alerting_publishes_probes() -> None:
    plan = read_city(default_city())
    accounts = accounts_of(plan)
    outputs = OutletTopics(plan.city.id)
    for topic, writer in (
        (outputs.entity_topic("alkmaar.overdie"), "livetwin-outlets"),
        (outputs.alarm_topic("high-water~alkmaar.singel"), "livetwin-outlets"),
        (probe_topic(plan.city.id), "livetwin-alerting"),
    ):
        assert {name for name, account in accounts.items() if allows(account.writes, topic)} == {writer}


@pytest.mark.parametrize(
    ("filter", "level", "granted"),
    [
        ("pluvio/+", 1, "pluvio/rg-7"),
        ("+/rain/+/up", 0, "rg-7/rain/+/up"),
        ("pluvio/#", 1, "pluvio/rg-7/#"),
        ("pluvio/#", 2, "pluvio/+/rg-7/#"),
        ("a{b}/+", 1, "a{b}/rg-7"),
    ],
)
def test_a_device_of_a_feed_of_the_city_gets_the_topics_that_name_it(
    filter: str, level: int, granted: str
) -> None:
    plan = plan_with_feed(filter, level)
    assert accounts_of(plan)[plan.sensors[0].id].writes == (granted,)


def test_a_feed_whose_topic_names_no_device_has_one_account() -> None:
    plan = plan_with_feed("pluvio/all", None)
    assert accounts_of(plan)["livetwin-feed-rain"].writes == ("pluvio/all",)
    assert plan.sensors[0].id not in accounts_of(plan)


@pytest.mark.parametrize("device", ["+", "#", "a/b", "a\nuser b", ""])
def test_a_device_whose_name_would_give_access_to_other_topics_is_refused(device: str) -> None:
    with pytest.raises(BrokerAccountError, match="cannot be a topic level"):
        accounts_of(plan_with_feed("pluvio/+", 1, device))


def test_a_sensor_cannot_take_the_name_of_a_role() -> None:
    plan = fleet(1)
    plan = replace(plan, sensors=(replace(plan.sensors[0], id="livetwin-ingest"),))
    with pytest.raises(BrokerAccountError, match="livetwin-ingest"):
        accounts_of(plan)
