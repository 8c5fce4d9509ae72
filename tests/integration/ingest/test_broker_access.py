"""The MQTT broker as configured for networks: authentication, access rights and TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from alerting.monitoring.prober import MqttProber
from ingest.mqtt.session import MqttSession, MqttSessionOptions
from outlets.mqtt_connection import MqttConnectionLostError, MqttConnectionOptions, open_mqtt_connection
from runtime.clock import system_clock
from runtime.mqtt.access import MqttAccess, MqttSettings
from runtime.mqtt.outlet_topics import OutletTopics
from simulators.mqtt_connection import DeviceConnection
from simulators.settings import SimulatorSettings
from tests.support.brokers.mqtt_publisher import publish
from tests.support.brokers.secure_mosquitto import HOST, SecureMosquitto, connected_account
from tests.support.brokers.tls_scan import (
    GOOD_CIPHERS,
    GOOD_GROUPS,
    GOOD_TLS13_CIPHERS,
    accepted_ciphers,
    accepted_groups,
    tls13_cipher,
)
from tests.support.cities.noise_city import microphone_of, noise_city
from tests.support.waiting import wait_until

PLAN = noise_city(2)
SENSOR, OTHER = (microphone_of(one.id) for one in PLAN.entities)
TOPIC = f"livetwin/town/{SENSOR}/observations"
OTHER_TOPIC = f"livetwin/town/{OTHER}/observations"
FILTER = "livetwin/+/+/observations"

ACCEPTED = "Success"
NOBODY_LISTENS = "No matching subscribers"
REFUSED = "Not authorized"
QUIET_S = 3.0
"""A broker that answers does so within milliseconds."""

# paho does not close the socket of a handshake that failed; the collector does.
LEAKING = pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")


@pytest_asyncio.fixture
async def broker(service_folder: Path) -> AsyncIterator[SecureMosquitto]:
    running = SecureMosquitto(service_folder, PLAN)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()


def access(broker: SecureMosquitto, role: str, **changed: object) -> MqttAccess:
    """Return what a role makes of its settings."""
    known: dict[str, object] = {
        "mqtt_host": HOST,
        "mqtt_port": broker.port,
        "mqtt_tls": True,
        "mqtt_tls_ca": broker.authority.certificate_file,
        "mqtt_username": f"livetwin-{role}",
        "mqtt_password": broker.passwords[f"livetwin-{role}"],
    }
    return MqttSettings.model_validate({**known, **changed}).mqtt_access()


def session_with(access: MqttAccess) -> MqttSession:
    options = MqttSessionOptions(
        broker=access,
        client_id="livetwin-ingest-0",
        keepalive_s=10,
        session_expiry_s=3_600,
        receive_max=1_000,
        buffer_bytes_max=1_000_000,
        shared_subscription="",
    )
    return MqttSession(options, [FILTER], system_clock)


def outlet_options(access: MqttAccess) -> MqttConnectionOptions:
    return MqttConnectionOptions(broker=access)


def test_a_device_publishes_on_its_own_topic_and_on_no_other(broker: SecureMosquitto) -> None:
    with connected_account(broker, SENSOR) as one:
        assert one.publish(TOPIC, "{}") in (ACCEPTED, NOBODY_LISTENS)
        assert one.publish(OTHER_TOPIC, "{}") == REFUSED
        assert one.publish("dsmr/anybody/telegram", "{}") == REFUSED
        assert one.publish(OutletTopics("town").entity_topic("town.street-0"), "{}") == REFUSED


def test_a_device_receives_nothing_not_even_its_own_messages(broker: SecureMosquitto) -> None:
    with connected_account(broker, SENSOR) as one, connected_account(broker, OTHER) as other:
        one.subscribe("#")
        other.publish(OTHER_TOPIC, "{}")
        one.publish(TOPIC, "{}")  # the broker hands over what it is to hand over before it answers this
        assert one.received_topics == []


@pytest.mark.parametrize(
    ("name", "password"), [(SENSOR, "wr0ng"), ("stranger", "wr0ng"), (None, None)], ids=str
)
def test_without_the_right_password_nobody_gets_in(
    broker: SecureMosquitto, name: str | None, password: str | None
) -> None:
    with pytest.raises(ConnectionError, match=REFUSED), connected_account(broker, name, password):
        pass


def test_a_rotated_password_is_refused_from_then_on(broker: SecureMosquitto) -> None:
    old = broker.passwords[SENSOR]
    broker.rotate(SENSOR)

    def gets_in(password: str) -> bool:
        try:
            with connected_account(broker, SENSOR, password):
                return True
        except ConnectionError:
            return False

    wait_until(lambda: not gets_in(old), lambda: "the old password is still good")
    assert gets_in(broker.passwords[SENSOR])


def test_without_tls_the_broker_does_not_answer(broker: SecureMosquitto) -> None:
    # Whether the broker closes the connection or does not answer, the message does not arrive.
    with pytest.raises((OSError, RuntimeError, AssertionError)):
        publish((HOST, broker.port), [(TOPIC, "{}")], timeout_s=QUIET_S)


async def test_ingest_reads_what_devices_publish_over_tls_and_may_publish_nothing(
    broker: SecureMosquitto,
) -> None:
    session = session_with(access(broker, "ingest-0"))
    async with asyncio.timeout(60):
        await session.open()
        with connected_account(broker, SENSOR) as one:
            assert await asyncio.to_thread(one.publish, TOPIC, b'{"values": {}}') == ACCEPTED
        [message] = await session.next_batch(10)
        session.acknowledge([message])
        await session.close()
    assert (message.topic, message.payload) == (TOPIC, b'{"values": {}}')
    with connected_account(broker, "livetwin-ingest-0") as one:
        assert one.publish(TOPIC, "{}") == REFUSED


async def test_no_device_ends_the_session_of_ingest_or_takes_its_messages(broker: SecureMosquitto) -> None:
    sent = [b'{"values": {"noise_level": %d}}' % number for number in range(50)]
    ingest = access(broker, "ingest-0")
    async with asyncio.timeout(120):
        running = session_with(ingest)
        await running.open()
        with connected_account(broker, OTHER, client_id="livetwin-ingest-0"):
            with connected_account(broker, SENSOR) as one:
                assert await asyncio.to_thread(one.publish, TOPIC, b"{}") == ACCEPTED
            [message] = await running.next_batch(10)  # it is connected, and nobody else got the message
            running.acknowledge([message])
        await running.close()
        with connected_account(broker, SENSOR) as one:
            for payload in sent:
                assert await asyncio.to_thread(one.publish, TOPIC, payload) == ACCEPTED
        # A client that starts anew deletes the messages that wait for its id.
        with connected_account(broker, OTHER, client_id="livetwin-ingest-0"):
            pass
        returned = session_with(ingest)
        await returned.open()
        received: list[bytes] = []
        while len(received) < len(sent):
            messages = await returned.next_batch(100)
            received += [one.payload for one in messages]
            returned.acknowledge(messages)
        await returned.close()
    assert received == sent


async def test_outlets_write_over_tls_what_readers_read_and_readers_write_nothing(
    broker: SecureMosquitto,
) -> None:
    topics = OutletTopics("town")
    with connected_account(broker, "livetwin-reader") as reader:
        reader.subscribe(*topics.filters, "#")
        async with (
            asyncio.timeout(60),
            open_mqtt_connection(outlet_options(access(broker, "outlets"))) as outlet,
        ):
            assert await outlet.retained_digests(topics.filters, topics.marker_topic) == {}
            await outlet.publish(topics.entity_topic("town.street-0"), b"{}", retain=True)
        wait_until(lambda: bool(reader.received_topics), lambda: "nothing came")
        assert set(reader.received_topics) == {topics.entity_topic("town.street-0")}
        assert reader.publish(topics.entity_topic("town.street-0"), "{}") == REFUSED


async def test_probes_and_simulated_devices_use_tls(broker: SecureMosquitto) -> None:
    session = session_with(access(broker, "ingest-0"))
    prober = MqttProber(access(broker, "alerting"), "town")
    # Where a device's account serves: it publishes that device's messages alone.
    settings = SimulatorSettings(
        mqtt_host=HOST,
        mqtt_port=broker.port,
        mqtt_tls=True,
        mqtt_tls_ca=broker.authority.certificate_file,
        mqtt_username=SENSOR,
        mqtt_password=broker.passwords[SENSOR],
    )
    connection = DeviceConnection(settings, 1)
    async with asyncio.timeout(60):
        await session.open()
        prober.start()
        connection.start()
        await connection.publish(TOPIC, b"{}")
        await asyncio.to_thread(wait_until, lambda: prober.send(system_clock()), lambda: "no connection")
        topics: set[str] = set()
        while len(topics) < 2:
            topics |= {one.topic for one in await session.next_batch(10)}
        await connection.stop(10.0)
        await asyncio.to_thread(prober.stop)
        await session.close()
    assert topics == {TOPIC, "livetwin/town/livetwin-watchdog/observations"}


@LEAKING
async def test_a_broker_without_a_trusted_certificate_gets_no_password(
    broker: SecureMosquitto, service_folder: Path
) -> None:
    # Its certificate names `localhost`, and the machine's own authorities do not know ours.
    for changed, expected in (
        ({"mqtt_host": "127.0.0.1"}, "IP address mismatch"),
        ({"mqtt_tls_ca": None}, "certificate verify failed"),
    ):
        with pytest.raises(MqttConnectionLostError, match=expected):
            async with open_mqtt_connection(outlet_options(access(broker, "outlets", **changed))):
                pass


@LEAKING
async def test_ingest_says_why_it_does_not_connect(
    broker: SecureMosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    session = session_with(access(broker, "ingest-0", mqtt_host="127.0.0.1"))
    opening = asyncio.create_task(session.open())
    expected = "IP address mismatch"
    await asyncio.to_thread(wait_until, lambda: expected in caplog.text, lambda: caplog.text)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await session.close()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_old_versions_of_tls_are_refused(broker: SecureMosquitto) -> None:
    context = ssl.create_default_context(cafile=broker.authority.certificate_file)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")  # else it is our own OpenSSL that refuses
    with (
        socket.create_connection((HOST, broker.port)) as plain,
        pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"),
    ):
        context.wrap_socket(plain)


@pytest.mark.parametrize("use_rsa", [False, True], ids=["ECDSA", "RSA"])
async def test_the_broker_accepts_only_suites_and_curves_that_ncsc_calls_good(
    service_folder: Path, use_rsa: bool
) -> None:
    broker = SecureMosquitto(service_folder, PLAN, use_rsa=use_rsa)
    await broker.start()
    try:
        address = HOST, broker.port
        suites = await asyncio.to_thread(accepted_ciphers, address)
        assert suites
        assert suites <= GOOD_CIPHERS
        assert await asyncio.to_thread(tls13_cipher, address) in GOOD_TLS13_CIPHERS
        assert await asyncio.to_thread(accepted_groups, address) == GOOD_GROUPS
    finally:
        await broker.stop()
