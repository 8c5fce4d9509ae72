"""What operators observe of a running system: traces of messages, metrics of every role, JSON logs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from runtime.clock import system_clock
from runtime.telemetry.tracing import message_trace_id
from tests.support.metric_catalogue import METRIC_FACTORIES, role_metrics
from tests.support.receivers.trace_collector import ExportedSpan, TraceCollector, trace_collector
from tests.support.waiting import WAIT_S, wait_until
from twin.instant import SECOND, format_instant

pytestmark = pytest.mark.embedded

TOPIC = "livetwin/alkmaar/noise-binnenstad/observations"
WAY = ["mqtt receive", "kafka publish", "apply observations", "fan-out", "sse send"]
"""Names of the spans of a message up to a subscriber, each a child of the one before."""


def events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and data of the events of a live stream."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


def send_and_receive(system: Any, value: float) -> None:
    """Publish a noise level; return when a subscriber of the live stream has received it."""
    time = format_instant(system_clock() // SECOND * SECOND)
    query = {"entity": "alkmaar.binnenstad", "property": "noise_level"}
    with httpx.stream("GET", f"{system.http}/v1/live", params=query, timeout=WAIT_S) as answer:
        received = events(answer.iter_lines())
        assert any(name == "snapshot" and data.get("complete") for name, data in received)
        system.publish(TOPIC, json.dumps({"time": time, "values": {"noise_level": value}}))
        assert any(name == "state" and data["value"] == value for name, data in received)


def spans_to_subscriber(spans: list[ExportedSpan]) -> list[ExportedSpan]:
    """Return the exported spans from the root of a trace to the event sent to a subscriber."""
    found, parent = [], 0
    for name in WAY:
        below = [one for one in spans if one.name == name and one.parent == parent]
        if not below:
            break
        found.append(below[0])
        parent = below[0].span
    return found


def receptions(collector: TraceCollector) -> list[ExportedSpan]:
    return [one for one in list(collector.spans) if one.attributes.get("messaging.destination.name") == TOPIC]


def scraped(port: int) -> dict[str, str]:
    """Return the metrics of a port, with their types."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics").raise_for_status().text
    return dict(re.findall(r"^# TYPE (livetwin_\w+) (\w+)$", text, re.MULTILINE))


def check_metrics(system: Any) -> None:
    """Assert that each role and the supervisor serve all their metrics with the right types."""
    ports = system.ports["metrics"]
    assert ports.keys() == METRIC_FACTORIES.keys()
    for role, port in ports.items():
        found = {name: kind for name, kind in scraped(port).items() if not name.endswith("_created")}
        assert found == {name: one.type for name, one in role_metrics(role).items()}, role
    wanted = ["livetwin_ingest_mqtt_connected 1.0", "livetwin_ingest_kafka_up 1.0"]
    text = httpx.get(f"http://127.0.0.1:{ports['ingest']}/metrics").text
    assert [line for line in wanted if line not in text.splitlines()] == []


def check_logs(system: Any) -> None:
    """Assert that every log line of every role is a JSON object that names the role."""
    for role in METRIC_FACTORIES:
        lines = (system.data_dir / "logs" / f"{role}.log").read_text().splitlines()
        assert {json.loads(line)["role"] for line in lines} == {role}


def check_backup(system: Any) -> None:
    """Assert that a backup of the running system restores into a new data dir."""
    file, restored = system.data_dir / "city.backup", system.data_dir / "restored"
    livetwin = [sys.executable, "-m", "cli"]
    subprocess.run([*livetwin, "backup", f"--data-dir={system.data_dir}", file], check=True)
    subprocess.run([*livetwin, "restore", f"--data-dir={restored}", file], check=True)
    for name in ("link.key", "operator.key", "pseudonym.key"):
        assert (restored / name).read_text() == (system.data_dir / name).read_text()
    assert (restored / "state/alerting-alkmaar.sqlite").exists()
    again = subprocess.run(
        [*livetwin, "restore", f"--data-dir={restored}", file], capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert "nothing is overwritten" in again.stderr


def test_a_running_system_exports_traces_metrics_and_logs(
    start_system: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with trace_collector() as collector:
        monkeypatch.setenv("LIVETWIN_LOG_FORMAT", "json")
        monkeypatch.setenv("LIVETWIN_TRACE_RATIO", "1")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        system = start_system("--metrics-port=0")
        system.wait_ready()
        send_and_receive(system, 61.5)
        wait_until(lambda: bool(receptions(collector)), lambda: collector.spans)
        [received] = receptions(collector)
        session, number = received.attributes["livetwin.session"], received.attributes["livetwin.sequence"]
        assert received.trace == message_trace_id(str(session), int(number))

        def seen() -> list[ExportedSpan]:
            return collector.spans_of(received.trace)

        def is_whole() -> bool:
            return len(spans_to_subscriber(seen())) == len(WAY) and any(
                one.name == "commit" for one in seen()
            )

        wait_until(is_whole, seen)
        way = spans_to_subscriber(seen())
        assert [one.service for one in way] == [
            *("livetwin-ingest", "livetwin-ingest", "livetwin-stream", "livetwin-api", "livetwin-api")
        ]
        assert [one.start for one in way] == sorted(one.start for one in way)
        assert all(one.end >= one.start for one in way)
        commits = [one for one in seen() if one.name == "commit"]
        assert {one.service for one in commits} == {"livetwin-historian"}
        assert {one.parent for one in commits} <= {one.span for one in seen()}
        check_metrics(system)
        check_logs(system)
        check_backup(system)
