"""What is recorded before an answer is sent, and what happens when it cannot be."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access.rights import Rights, rights_of_role
from api.audit import audited_answers
from api.audit.audited_answers import TARGET_CHARACTERS_MAX, AuditedAnswers
from api.http.problems import unavailable
from api.metrics import ApiMetrics
from storage.stores.audit_log import AuditEntry
from tests.unit.api.conftest import NOW
from twin.model.role import Role

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"


class Route:
    name = "do_it"
    path = "/v1/things/{token}"


class Log:
    """The audit log, in place of the database; `is_away`: the database is unavailable."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.is_away = False

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        if self.is_away:
            raise unavailable("away", 1)
        yield None


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> Log:
    log = Log()

    async def insert(_: object, entry: AuditEntry) -> None:
        log.entries.append(entry)

    monkeypatch.setattr(audited_answers, "insert_audit_entry", insert)
    return log


def application(rights: Rights, status: int) -> ASGIApp:
    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        scope["state"] = {"rights": rights}
        scope["route"] = Route()
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"secret", "more_body": False})

    return app


async def ask(
    stored: Log, rights: Rights, method: str = "GET", status: int = 200, **scope: Any
) -> tuple[int, bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    audited: Any = AuditedAnswers(
        application(rights, status),
        stored,  # type: ignore[arg-type]
        lambda: NOW,
        ApiMetrics(CollectorRegistry()),
    )
    request = {
        "type": "http",
        "method": method,
        "path": "/v1/things/a",
        "query_string": b"x=1",
        "headers": [],
    }
    await audited({**request, **scope}, receive, send)
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent)


def reader(role: Role = "metering") -> Rights:
    rights = rights_of_role(role)
    rights.read_households.update(("city.house", "city.barn"))
    return rights


async def test_a_reading_of_personal_data_is_recorded(stored: Log) -> None:
    headers = [(b"traceparent", TRACE.encode())]
    assert await ask(stored, reader(), headers=headers) == (200, b"secret")
    (entry,) = stored.entries
    assert (entry.time, entry.principal, entry.role, entry.operation) == (NOW, "metering", "metering", "doIt")
    assert (entry.target, entry.status) == ("/v1/things/a?x=1", 200)
    assert entry.households == ("city.barn", "city.house")
    assert entry.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert entry.parent_span_id is not None
    assert entry.parent_span_id.hex() == "00f067aa0ba902b7"
    assert len(entry.span_id) == 8


async def test_readings_without_personal_data_and_refusals_are_not_recorded(stored: Log) -> None:
    assert await ask(stored, rights_of_role("admin")) == (200, b"secret")
    assert await ask(stored, rights_of_role("admin"), "POST", 409) == (409, b"secret")
    assert await ask(stored, reader(), status=403) == (403, b"secret")
    assert stored.entries == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_change_is_recorded(stored: Log, method: str) -> None:
    assert await ask(stored, rights_of_role("duty"), method, 201) == (201, b"secret")
    (entry,) = stored.entries
    assert (entry.principal, entry.status, entry.households, entry.contacts) == ("duty", 201, (), ())


async def test_readings_of_households_that_cannot_be_recorded_are_not_sent(stored: Log) -> None:
    stored.is_away = True
    status, body = await ask(stored, reader())
    assert status == 503
    assert b"secret" not in body
    assert b"cannot be recorded" in body


async def test_alarms_addresses_and_changes_are_answered_without_the_database(
    stored: Log, caplog: pytest.LogCaptureFixture
) -> None:
    stored.is_away = True
    on_duty = rights_of_role("duty")
    on_duty.read_contacts.add("anna")
    with caplog.at_level(logging.WARNING):
        assert await ask(stored, reader("operator")) == (200, b"secret")
        assert await ask(stored, on_duty) == (200, b"secret")
        assert await ask(stored, rights_of_role("admin"), "DELETE", 204) == (204, b"secret")
    logged = [vars(record) for record in caplog.records]
    assert [one["event"] for one in logged] == ["audit.not_stored"] * 3
    assert [one["principal"] for one in logged] == ["operator", "duty", "admin"]
    assert logged[0]["households"] == ["city.barn", "city.house"]
    assert logged[1]["contacts"] == ["anna"]


async def test_the_token_of_a_link_is_not_recorded(stored: Log) -> None:
    await ask(stored, rights_of_role("anonymous"), "POST", path_params={"token": "a"})
    assert stored.entries[0].target == "/v1/things/{token}"


async def test_a_long_target_is_cut(stored: Log) -> None:
    await ask(stored, reader(), query_string=b"x" * 10_000)
    assert len(stored.entries[0].target) == TARGET_CHARACTERS_MAX
