"""One message is followed through every role, from MQTT to the live stream, by a collector of traces."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from runtime.clock import system_clock
from runtime.tracing import trace_of
from tests.otlp_receiver import Collector, SentSpan, collecting
from tests.waiting import WAIT_S, wait_until
from twin.instant import SECOND, format_instant

pytestmark = pytest.mark.embedded

TOPIC = "livetwin/alkmaar/noise-binnenstad/observations"
WAY = ["mqtt receive", "kafka publish", "apply observations", "fan-out", "sse send"]
"""Of a message to a subscriber, each below the one before it; the historian's commit lies beside."""


def events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and data of the events of a live stream."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def send_and_hear(system: Any, value: float) -> None:
    """Publish a noise level and return when a subscriber has heard it."""
    time = format_instant(system_clock() // SECOND * SECOND)
    query = {"entity": "alkmaar.binnenstad", "property": "noise_level"}
    with httpx.stream("GET", f"{system.http}/v1/live", params=query, timeout=WAIT_S) as answer:
        heard = events(answer.iter_lines())
        assert any(name == "snapshot" and data.get("complete") for name, data in heard)
        system.publish(TOPIC, json.dumps({"time": time, "values": {"noise_level": value}}))
        assert any(name == "state" and data["value"] == value for name, data in heard)


def way_of(spans: list[SentSpan]) -> list[SentSpan]:
    """Return the spans from the first of a trace to what a subscriber was sent, as far as they are there."""
    found, parent = [], 0
    for name in WAY:
        below = [one for one in spans if one.name == name and one.parent == parent]
        if not below:
            break
        found.append(below[0])
        parent = below[0].span
    return found


def receptions(collector: Collector) -> list[SentSpan]:
    return [one for one in list(collector.spans) if one.attributes.get("messaging.destination.name") == TOPIC]


def test_a_message_is_seen_in_every_role_in_one_trace(
    start_system: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with collecting() as collector:
        monkeypatch.setenv("LIVETWIN_TRACE_RATIO", "1")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        system = start_system()
        system.wait_ready()
        send_and_hear(system, 61.5)
        wait_until(lambda: bool(receptions(collector)), lambda: collector.spans)
        [received] = receptions(collector)
        session, number = received.attributes["livetwin.session"], received.attributes["livetwin.sequence"]
        assert received.trace == trace_of(str(session), int(number))

        def seen() -> list[SentSpan]:
            return collector.of(received.trace)

        def is_whole() -> bool:
            return len(way_of(seen())) == len(WAY) and any(one.name == "commit" for one in seen())

        wait_until(is_whole, seen)
        way = way_of(seen())
        assert [one.service for one in way] == [
            *("livetwin-ingest", "livetwin-ingest", "livetwin-stream", "livetwin-api", "livetwin-api")
        ]
        assert [one.start for one in way] == sorted(one.start for one in way)
        assert all(one.end >= one.start for one in way)
        commits = [one for one in seen() if one.name == "commit"]
        assert {one.service for one in commits} == {"livetwin-historian"}
        assert {one.parent for one in commits} <= {one.span for one in seen()}
