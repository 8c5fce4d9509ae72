"""Every log line of a process has the configured format, and none contains a secret."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from ingest.settings import IngestSettings
from runtime.telemetry.logs import HumanFormatter, JsonFormatter, Redaction, secret_values
from tests.support.repository import ROOT

# What goes wrong in each way that ends on standard error. A process of its own: logging belongs to all of it.
PROGRAM = """
import logging, threading, warnings
from runtime.telemetry.logs import configure_logging, log_failure
configure_logging("ingest", "INFO", {style!r}, ["correct horse"])
log = logging.getLogger("ingest.pipeline.publisher")
log.warning("Kafka does not confirm (%r)", 7, extra={{"topic": "observations"}})
for name in ("uvicorn.error", "faust.app", "mode.service", "paho", "aiokafka.consumer", "asyncio"):
    logging.getLogger(name).warning("from %s", name)
logging.getLogger("aiokafka").info("chatter")
warnings.warn("something is old", stacklevel=1)
try:
    raise ValueError("no correct horse\\nat postgresql://me:battery@db/x")
except ValueError:
    logging.getLogger("ingest.pipeline.intake").exception("failed")
thread = threading.Thread(target=lambda: 1 / 0, name="reader")
thread.start()
thread.join()
log_failure("the end")
"""


def lines_of(style: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(style=style)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_in_json_every_line_is_an_object() -> None:
    lines: list[dict[str, Any]] = [json.loads(line) for line in lines_of("json")]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["role"] == "ingest"
    first = lines[0]
    assert (first["level"], first["logger"]) == ("WARNING", "ingest.pipeline.publisher")
    assert first["message"] == "Kafka does not confirm (7)"
    assert first["template"] == "Kafka does not confirm (%r)"
    assert first["topic"] == "observations"
    assert [line["logger"] for line in lines[1:]] == [
        *("uvicorn.error", "faust.app", "mode.service", "paho", "aiokafka.consumer", "asyncio"),
        *("py.warnings", "ingest.pipeline.intake", "livetwin", "livetwin"),
    ]
    caught, thread, last = lines[-3:]
    assert caught["exception"].startswith("Traceback")
    assert "ValueError: no ***" in caught["exception"]
    assert "ZeroDivisionError" in thread["exception"]
    assert (last["level"], last["message"]) == ("CRITICAL", "the end")


def test_for_people_a_line_has_time_role_level_and_logger() -> None:
    lines = lines_of("human")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z "
        r"ingest    WARNING ingest\.pipeline\.publisher: Kafka does not confirm \(7\)",
        lines[0],
    )
    assert sum("WARNING" in line for line in lines) == 8
    assert "ZeroDivisionError: division by zero" in lines
    assert not any("the end" in line for line in lines)


def test_a_message_can_neither_forge_a_line_nor_control_a_terminal() -> None:
    device = "eui-1\n2026-11-23T12:00:00.000Z api       INFO    api: forged\r\x1b[2J\u2028"
    record = logging.makeLogRecord(
        {"msg": "unknown %s", "args": (device,), "levelname": "INFO", "name": "ingest"}
    )
    lines = HumanFormatter("ingest", Redaction()).format(record).splitlines()
    assert len(lines) == 2
    assert lines[0].endswith(" ingest    INFO    ingest: unknown eui-1")
    assert lines[1] == "    2026-11-23T12:00:00.000Z api       INFO    api: forged\\r\\x1b[2J\\u2028"


@pytest.mark.parametrize("style", ["human", "json"])
def test_no_line_holds_a_secret(style: str) -> None:
    text = "\n".join(lines_of(style))
    assert "***" in text
    for secret in ("correct horse", "battery"):
        assert secret not in text


@pytest.mark.parametrize(
    "text",
    [
        "the key s3cr3t-key was refused",
        "GET /?key=a%2Fb%20c%22d%5Ce failed",
        'the key a/b c"d\\e was refused',
        "mqtt://me:anything@broker:1883",
        "Authorization: Bearer abcdef123456",
    ],
)
def test_secrets_are_redacted_in_every_encoding(text: str) -> None:
    redact = Redaction(["s3cr3t-key", 'a/b c"d\\e'])
    record = logging.makeLogRecord({"msg": "%s", "args": (text,), "detail": text, "levelname": "INFO"})
    line = json.loads(JsonFormatter("api", redact).format(record))
    for shown in (line["message"], line["detail"], HumanFormatter("api", redact).format(record)):
        assert "***" in shown
        for secret in ("s3cr3t", "a/b", "a%2Fb", "anything", "abcdef"):
            assert secret not in shown


def test_secret_settings_are_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVETWIN_MQTT_PASSWORD", "swordfish")
    monkeypatch.setenv("LIVETWIN_DATABASE", "postgresql://me:pw@db/x")
    found = set(secret_values(IngestSettings()))
    assert {"swordfish", "postgresql://me:pw@db/x"} <= found


def test_paho_does_not_log_writes_to_a_connection_that_has_just_ended() -> None:
    program = """
import logging
from runtime.telemetry.logs import configure_logging
configure_logging("ingest", "INFO")
logging.getLogger("paho").error("Client is not connected. Socket: None). Last known Connection State: X")
logging.getLogger("paho").error("Caught exception in on_message: boom")
"""
    lines = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    ).stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("Caught exception in on_message: boom")
