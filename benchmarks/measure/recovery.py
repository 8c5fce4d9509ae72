"""Recovery: how soon everything works again after a process was killed.

One sensor sends ten times a second, and a part is killed (SIGKILL). Everything works again once a later
reading is in the state of the API, in the database and in the retained message on MQTT, and the part has new
processes.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any

import psycopg
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from benchmarks.load.bench_city import CITY, BenchCity, sensor_name
from benchmarks.measure.bench_system import HOST, BenchSystem
from benchmarks.measure.worker_process import BenchmarkError
from runtime.clock import system_clock
from runtime.mqtt.client import stop_client
from twin.instant import Instant, format_instant, from_datetime, parse_instant

#: in the order of a message's path; then those that only consume
PARTS = ("mosquitto", "ingest", "kafka", "stream", "historian", "postgres", "api", "outlets", "alerting")

RECOVERED_S_MAX = 60.0
SEND_INTERVAL_S = 0.1
_INTERVAL_S = 0.02
_HTTP_TIMEOUT_S = 2.0
_RECONNECT_S = 0.1

_NEWEST = """
SELECT max(o.phenomenon_time) FROM observation o JOIN datastream d ON d.id = o.datastream_id
WHERE d.entity_id = %s AND d.property = %s
"""

_NEVER: Instant = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Seconds between the kill of a part and …"""

    told_s: float  #: a later reading in the answer of the API
    stored_s: float  #: that reading in the database
    published_s: float  #: that reading on MQTT
    process_s: float  #: new processes of the part

    @property
    def all_s(self) -> float:
        """Seconds until everything worked."""
        return max(self.told_s, self.stored_s, self.published_s, self.process_s)


class _Watch:
    """Watches the newest reading in each output of the system."""

    def __init__(self, system: BenchSystem, city: BenchCity) -> None:
        self._system = system
        self._entity = city.entity_name(0)
        self._property = city.property_name(0)
        self._published: Instant = _NEVER
        self._topic = f"livetwin/{CITY}/{sensor_name(0)}/observations"
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        # A fraction of a second works, although the type is an integer.
        self._client.reconnect_delay_set(_RECONNECT_S, _RECONNECT_S)  # type: ignore[arg-type]
        self._client.on_connect = self._subscribe
        self._client.on_message = self._on_message
        self._over = threading.Event()
        self._database: psycopg.Connection[Any] | None = None

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send readings while the block runs."""
        ports = self._system.ports
        self._client.connect(HOST, ports["mqtt"])
        self._client.loop_start()
        sender = threading.Thread(target=self._send_readings)
        sender.start()
        try:
            yield
        finally:
            self._over.set()
            sender.join()
            self._client.disconnect()
            stop_client(self._client)
            if self._database is not None:
                self._database.close()

    def until(self, since: float, instant: Instant, part: str, killed: Sequence[int]) -> Recovery:
        """Wait until each output has a reading later than `instant`, and the part has new processes.

        `since` is the monotonic time of `instant`. Raises BenchmarkError after a timeout.
        """
        conditions: dict[str, Callable[[], bool]] = {
            "told_s": lambda: self._delivered() > instant,
            "stored_s": lambda: self._stored() > instant,
            "published_s": lambda: self._published > instant,
            "process_s": lambda: self._is_replaced(part, killed),
        }
        durations: dict[str, float] = {}
        while len(durations) < len(conditions):
            for name, holds in conditions.items():
                if name not in durations and holds():
                    durations[name] = round(time.monotonic() - since, 2)
            if time.monotonic() - since > RECOVERED_S_MAX:
                missing = ", ".join(sorted(set(conditions) - set(durations)))
                raise BenchmarkError(f"{part}, killed: after {RECOVERED_S_MAX:.0f} s not yet {missing}")
            self._over.wait(_INTERVAL_S)
        return Recovery(**durations)

    def _send_readings(self) -> None:
        steps = 0
        while not self._over.wait(SEND_INTERVAL_S):
            if self._client.is_connected():
                steps += 1
                value = 40 + steps % 100 / 10
                text = (
                    f'{{"time":"{format_instant(system_clock())}","values":{{"{self._property}":{value}}}}}'
                )
                self._client.publish(self._topic, text, qos=1)

    def _subscribe(self, client: Client, *_: object) -> None:
        client.subscribe(f"livetwin/{CITY}/entities/{self._entity}/state", qos=1)

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        self._published = max(self._published, self._newest(json.loads(message.payload)))

    def _newest(self, state: Any) -> Instant:
        known = state["properties"].get(self._property)
        return parse_instant(known["phenomenonTime"]) if known else _NEVER

    def _delivered(self) -> Instant:
        ports = self._system.ports
        connection = HTTPConnection(HOST, ports["http"], timeout=_HTTP_TIMEOUT_S)
        try:
            headers = {"Authorization": f"Bearer {ports['operatorKey']}"}
            connection.request("GET", f"/v1/entities/{self._entity}/state", headers=headers)
            response = connection.getresponse()
            return self._newest(json.loads(response.read())) if response.status == 200 else _NEVER
        except (OSError, HTTPException):
            return _NEVER
        finally:
            connection.close()

    def _stored(self) -> Instant:
        try:
            if self._database is None:
                self._database = psycopg.connect(self._system.ports["database"], autocommit=True)
            row = self._database.execute(_NEWEST, (self._entity, self._property)).fetchone()
            return from_datetime(row[0]) if row and row[0] else _NEVER
        except psycopg.Error:
            if self._database is not None:
                self._database.close()
            self._database = None
            return _NEVER

    def _is_replaced(self, part: str, killed: Sequence[int]) -> bool:
        now = self._system.pids.get(part, ())
        return bool(now) and not set(now) & set(killed)


def measure_recovery(system: BenchSystem, city: BenchCity, part: str) -> Recovery:
    """Kill a part of a running system; return how soon it recovered.

    Raises BenchmarkError when the system does not work before, or not again within a minute.
    """
    watch = _Watch(system, city)
    with watch.sending():
        watch.until(time.monotonic(), system_clock(), part, ())
        pids = list(system.pids[part])
        since, instant = time.monotonic(), system_clock()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return watch.until(since, instant, part, pids)
