"""The plan of a chaos trial: each observation once, some once more, and poison that differs from them."""

from __future__ import annotations

import json
from collections import Counter

from ingest.decoders import registry
from ingest.decoding import DecodingContext, PayloadError
from tests.chaos.message_plan import MessageKind, MessagePlan, PlannedMessage, street_of, value_of
from tests.chaos.system_under_test import LOAD_STREETS, PROPERTY

BEGIN = 1_795_000_000_000_000
PLAN = MessagePlan(1_234, 7, BEGIN, 2_000)


def test_each_observation_is_sent_and_one_in_a_hundred_twice() -> None:
    parcels = list(PLAN.planned_messages())
    counts = Counter(one.kind for one in parcels)
    assert sorted(one.number for one in parcels if one.kind is MessageKind.OBSERVATION) == list(range(1_234))
    assert (
        (counts[MessageKind.REPEAT], counts[MessageKind.POISON])
        == (PLAN.repeat_count, PLAN.poison_count)
        == (13, 13)
    )


def test_a_seed_gives_one_order_and_another_seed_another() -> None:
    parcels = list(PLAN.planned_messages())
    assert parcels == list(MessagePlan(1_234, 7, BEGIN, 2_000).planned_messages())
    assert parcels != list(MessagePlan(1_234, 8, BEGIN, 2_000).planned_messages())
    assert [one.number for one in parcels] != sorted(one.number for one in parcels)


def test_an_observation_is_known_by_its_instant() -> None:
    assert all(PLAN.number_at(PLAN.instant(number)) == number for number in range(1_234))
    assert PLAN.number_at(BEGIN + 1_000) is None
    assert PLAN.number_at(PLAN.instant(1_234)) is None
    assert PLAN.number_at(BEGIN - 2_000) is None


def test_the_newest_of_each_street_is_its_last() -> None:
    newest = PLAN.newest()
    assert len(newest) == LOAD_STREETS
    for number in range(1_234):
        assert newest[street_of(number)] >= number


def test_what_is_sent_holds_the_value_and_poison_holds_none() -> None:
    _, payload = PLAN.content(PlannedMessage(MessageKind.OBSERVATION, 1_000))
    assert json.loads(payload)["values"] == {PROPERTY: value_of(1_000)}
    native = registry()["native"]
    refused = 0
    for number in (13, 113, 213):
        _, payload = PLAN.content(PlannedMessage(MessageKind.POISON, number))
        try:
            (reading,) = native.decode(
                "livetwin/town/x/observations", payload, DecodingContext(BEGIN, "UTC")
            ).readings
            assert reading.time is not None
            assert reading.time > BEGIN + 10**6 * 86_400 * 365
        except PayloadError:
            refused += 1
    assert refused == 2
