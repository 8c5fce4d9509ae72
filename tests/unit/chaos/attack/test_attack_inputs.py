"""What attackers send: by the dice, as wrong as it says, and nothing that others could have sent."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable

import pytest

from benchmarks.load.mqtt_wire import PacketReader
from cli.embedded.broker.request_handlers import RequestHandlers
from cli.embedded.broker.server import ProtocolError, handle_request
from ingest.decoders import registry
from ingest.decoding import DecodingContext, PayloadError
from tests.chaos.attack import malformed_http, malformed_kafka, malformed_mqtt
from tests.chaos.attack.false_identity import FALSE_VALUE, false_payload
from tests.chaos.attack.publish_floods import IMPLAUSIBLE, own_topic, useless_payload
from tests.chaos.message_plan import value_of
from tests.chaos.system_under_test import PROPERTY

NOW = 1_795_000_000_000_000
Inputs = Callable[[random.Random], dict[str, bytes]]
MALFORMED: list[Inputs] = [
    malformed_http.malformed_requests,
    malformed_kafka.malformed_requests,
    lambda dice: malformed_mqtt.malformed_packets("livetwin/town/x/observations", dice),
]


@pytest.mark.parametrize("inputs", MALFORMED)
def test_a_seed_gives_the_same_input_and_another_seed_another(inputs: Inputs) -> None:
    assert inputs(random.Random(1)) == inputs(random.Random(1)) != inputs(random.Random(2))


@pytest.mark.parametrize("inputs", MALFORMED)
def test_an_input_is_bounded(inputs: Inputs) -> None:
    assert max(map(len, inputs(random.Random(1)).values())) <= 5 << 20


def test_the_attackers_know_each_request_of_the_embedded_broker() -> None:
    handlers = RequestHandlers("test", "127.0.0.1:1").handlers
    known = {(key, request.API_VERSION) for key, (request, _) in handlers.items()}
    assert set(malformed_kafka.KNOWN) == known


async def refused_answered_or_waiting(handlers: RequestHandlers, content: bytes) -> str:
    """Return what becomes of a request; a Fetch waits for records as long as it asks for."""
    task = asyncio.ensure_future(handle_request(handlers, content))
    for _ in range(10):
        await asyncio.sleep(0)
    if not task.done():
        task.cancel()
        return "waiting"
    try:
        await task
    except ProtocolError:
        return "refused"
    return "answered"


async def test_the_embedded_broker_refuses_or_answers_every_malformed_request() -> None:
    handlers = RequestHandlers("test", "127.0.0.1:1")
    found = set()
    for seed in range(100):
        for what, data in malformed_kafka.malformed_requests(random.Random(seed)).items():
            content = data[4:]
            if len(content) < 10 or what in ("random bytes", "size beyond the request"):
                continue  # refused by its size, or never complete
            try:
                found.add(await refused_answered_or_waiting(handlers, content))
            except Exception as error:
                raise AssertionError(f"seed {seed}, {what}: {error!r}") from error
    assert found == {"refused", "answered", "waiting"}


def test_packets_that_mqtt_can_split_are_not_all_that_is_sent() -> None:
    packets = malformed_mqtt.malformed_packets("livetwin/town/x/observations", random.Random(1))
    reader = PacketReader()
    with pytest.raises(ConnectionError):
        list(reader.feed(packets["endless length"]))
    assert not list(PacketReader().feed(packets["length beyond the packet"]))


def test_quarantine_is_filled_by_payloads_that_no_decoder_can_use() -> None:
    native = registry()["native"]
    sizes = []
    for seed in range(60):
        payload = useless_payload(random.Random(seed))
        sizes.append(len(payload))
        try:
            decoded = native.decode(own_topic("x"), payload, DecodingContext(NOW, "UTC"))
        except PayloadError:
            continue
        assert [one.value for one in decoded.readings if one.field == PROPERTY] == [IMPLAUSIBLE]
    assert 100_000 < max(sizes) <= 260_000


def test_a_false_message_is_of_the_device_that_sent_it_and_has_a_value_of_its_own() -> None:
    native = registry()["native"]
    for seed in range(60):
        payload = false_payload("other", random.Random(seed))
        json.loads(payload)
        assert str(FALSE_VALUE).encode() in payload
        try:
            decoded = native.decode(own_topic("mine"), payload, DecodingContext(NOW, "UTC"))
        except PayloadError:
            continue
        assert decoded.device == "mine"
    assert FALSE_VALUE not in {value_of(number) for number in range(500_000)}
