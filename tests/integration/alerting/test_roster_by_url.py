"""Rosters by URL: what is new and valid is used, and whatever else the source answers changes nothing."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from alerting.delivery.channel_secrets import ChannelSecrets
from alerting.metrics import AlertingMetrics
from alerting.policy.roster import on_call
from alerting.rosters.roster_download import DownloadError, RosterDownload
from alerting.rosters.roster_follower import RosterFollower, RosterOptions
from cities.duty.roster_calendar import CALENDAR_BYTES_MAX
from cities.duty.routes_file import roster_files, routes_document
from runtime.sink_address import SinkRules, parse_networks
from storage.model.model_source import ModelSource, read_model_copy
from tests.integration.storage.model.test_model_store import applied, fetch, loaded
from tests.support.cities.canal_city import canal_plan
from tests.support.cities.rosters import WEEKS, ZONE, at, calendar_text, plan_with_calendar
from tests.support.waiting import until
from twin.instant import HOUR, Instant
from twin.model.city_model import CityModel
from twin.model.duty import DutyPlan, DutyTeam

HERE = SinkRules(parse_networks("127.0.0.0/8, ::1/128"))
TEAM = "operations"
NOON: Instant = at("2026-01-06T12:00:00+01:00")
ALWAYS_LEAD = calendar_text(
    ("UID:1", f"DTSTART;{ZONE}:20260101T000000", f"DTEND;{ZONE}:20280101T000000", "SUMMARY:lead")
)

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class CalendarServer:
    """A server of one calendar; `answer` replaces its answer."""

    def __init__(self) -> None:
        self.text = calendar_text(*WEEKS)
        self.url = ""
        self.answer: Answer | None = None
        self.requests = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        if self.answer is not None:
            return await self.answer(request)
        return web.Response(text=self.text, content_type="text/calendar")


@asynccontextmanager
async def calendar_server() -> AsyncIterator[CalendarServer]:
    server = CalendarServer()
    application = web.Application()
    application.router.add_get("/{path:.*}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/s3cret/water.ics"
    try:
        yield server
    finally:
        await runner.cleanup()


def answering(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status, body=body, headers={name.replace("_", "-"): one for name, one in headers.items()}
        )

    return answer


async def hang(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"BEGIN:VCALENDAR\r\n")
    await asyncio.Event().wait()
    return response


async def grow(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"X" * 65_536)


# -- the download ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (answering(404), "the answer is 404, expected 200"),
        (answering(302, Location="http://127.0.0.1:1/"), "the answer is a redirect, expected the calendar"),
        (answering(204), "the answer is 204, expected 200"),
        (answering(body=b"\xff\xfe"), "the answer is not UTF-8 text"),
        (answering(body=gzip.compress(b"BEGIN"), Content_Encoding="gzip"), "the answer is compressed"),
        (hang, "no whole answer within 0.5 s"),
        (grow, f"the calendar is too large: expected at most {CALENDAR_BYTES_MAX} bytes"),
    ],
)
async def test_an_answer_that_is_no_calendar_is_refused(answer: Answer, expected: str) -> None:
    timeout_s = 0.5 if answer is hang else 30.0
    async with calendar_server() as server, RosterDownload(HERE, timeout_s) as download:
        server.answer = answer
        with pytest.raises(DownloadError, match=expected):
            await download.fetch(server.url)
        assert server.requests == 1, "a redirect is not followed"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://example.org/x.ics", "found the scheme 'http', expected https"),
        ("https://10.0.0.1/x.ics", "10.0.0.1 is not on the public internet"),
        ("https://me:pw@example.org/x.ics", "expected a URL without user"),
        ("file:///etc/passwd", "expected a URL with a host"),
        # The C library resolves it to 127.0.0.1 without a DNS query.
        ("https://0x7f000001/x.ics", "127.0.0.1 is not on the public internet"),
    ],
)
async def test_hosts_inside_the_firewall_are_refused(url: str, expected: str) -> None:
    async with RosterDownload(SinkRules()) as download:
        with pytest.raises(DownloadError) as raised:
            await download.fetch(url)
    assert expected in str(raised.value)


async def test_a_failure_does_not_repeat_the_url_which_may_be_a_secret(free_port: int) -> None:
    async with RosterDownload(HERE) as download:
        with pytest.raises(DownloadError) as raised:
            await download.fetch(f"http://127.0.0.1:{free_port}/s3cret.ics")
    assert "s3cret" not in str(raised.value)


# -- the copy -------------------------------------------------------------------------------------------


def plan_by_url(url: str, file: str = "") -> DutyPlan:
    plan = plan_with_calendar(file)
    team = msgspec.structs.replace(plan.teams[0], calendar_url=url)
    return msgspec.structs.replace(plan, teams=(team,))


class Following:
    """A follower of the roster in a database, and what it has done."""

    def __init__(self, dsn: str, model: CityModel, environment: dict[str, str]) -> None:
        self._dsn = dsn
        self.now = NOON
        self.registry = CollectorRegistry()
        self.follower = RosterFollower(
            RosterOptions(database=dsn, rules=HERE, interval_s=3600.0),
            model,
            ChannelSecrets(environment),
            clock=lambda: self.now,
            metrics=AlertingMetrics(self.registry),
        )

    async def check(self, team: DutyTeam) -> CityModel:
        """Check once; return the model after it."""
        async with RosterDownload(HERE) as download:
            await self.follower.check(team, download)
        model = await loaded(self._dsn)
        self.follower.on_model(model)
        return model

    def checks(self, outcome: str) -> float:
        name = "livetwin_alerting_roster_checks_total"
        return self.registry.get_sample_value(name, {"outcome": outcome}) or 0.0

    def age(self) -> float | None:
        return self.registry.get_sample_value("livetwin_alerting_roster_age_seconds", {"team": TEAM})


async def following(dsn: str, plan: DutyPlan, **environment: str) -> tuple[Following, DutyTeam]:
    await applied(dsn, replace(canal_plan(), duty=plan))
    return Following(dsn, await loaded(dsn), environment), plan.teams[0]


async def test_a_roster_is_fetched_and_each_change_of_it_is_a_version_of_the_model(database: str) -> None:
    async with calendar_server() as server:
        watched, team = await following(database, plan_by_url("${ROSTER}"), ROSTER=server.url)
        model = await watched.check(team)
        assert (model.version, on_call(model.duty, TEAM, NOON)) == (2, "water")
        # An export has another DTSTAMP each time.
        server.text = server.text.replace("DTSTAMP:20260101T000000Z", "DTSTAMP:20260106T120000Z")
        assert (await watched.check(team)).version == 2
        server.text = ALWAYS_LEAD
        model = await watched.check(team)
        assert (model.version, on_call(model.duty, TEAM, NOON)) == (3, "lead")
    assert watched.checks("valid") == 3
    changes = await fetch(
        database, "SELECT version, key, action FROM model_change WHERE kind = 'fetched_roster' ORDER BY id"
    )
    assert changes == [(2, TEAM, "create"), (3, TEAM, "update")]


@pytest.mark.parametrize(
    "text",
    [
        "<html>Sign in</html>",
        calendar_text(),
        calendar_text((*WEEKS[0][:4], "SUMMARY:somebody else")),
        calendar_text((*WEEKS[0][:3], "RRULE:FREQ=SECONDLY", "SUMMARY:water")),
        calendar_text(*WEEKS).replace("END:VCALENDAR", ""),
    ],
    ids=["no calendar", "no event", "no member", "too often", "cut"],
)
async def test_the_last_valid_copy_stays_in_use(
    database: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with calendar_server() as server:
        watched, team = await following(database, plan_by_url("${ROSTER}"), ROSTER=server.url)
        await watched.check(team)
        server.text = text
        caplog.set_level(logging.INFO)
        for _ in range(2):
            model = await watched.check(team)
        server.answer = answering(503)
        await watched.check(team)
        assert (model.version, on_call(model.duty, TEAM, NOON)) == (2, "water")
        assert (watched.checks("invalid"), watched.checks("failed")) == (2, 1)
        errors = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
        assert len(errors) == 2, "each failure is logged when it begins"
        assert all("its last valid copy stays in use" in one for one in errors)
        assert "s3cret" not in caplog.text
        server.answer, server.text = None, calendar_text(*WEEKS)
        await watched.check(team)
        assert "is followed again" in caplog.text


async def test_the_file_applies_until_the_first_copy_and_the_copy_after_a_restart(
    database: str, tmp_path: Path
) -> None:
    async with calendar_server() as server:
        server.text = ALWAYS_LEAD
        plan = plan_by_url("${ROSTER}", file=calendar_text(*WEEKS))
        watched, team = await following(database, plan, ROSTER=server.url)
        assert on_call((await loaded(database)).duty, TEAM, NOON) == "water"
        await watched.check(team)
    # A restart without the database: the copy of the model has the roster.
    await ModelSource(database, "alkmaar", tmp_path).load()
    copy = read_model_copy(tmp_path / "model-alkmaar.json")
    assert copy is not None
    assert on_call(copy.duty, TEAM, NOON) == "lead"
    # The same folder again, and an export: the copy is part of neither.
    assert not (await applied(database, replace(canal_plan(), duty=plan))).changed
    duty = (await loaded(database)).duty
    assert on_call(duty, TEAM, NOON) == "lead"
    assert not (await applied(database, replace(canal_plan(), duty=duty))).changed
    assert roster_files(duty) == {"roster-operations.ics": calendar_text(*WEEKS)}
    assert routes_document(duty)["teams"][0]["rosterUrl"] == "${ROSTER}"
    # Without the URL the file applies again.
    await applied(database, replace(canal_plan(), duty=plan_with_calendar(calendar_text(*WEEKS))))
    duty = (await loaded(database)).duty
    assert (duty.rosters, on_call(duty, TEAM, NOON)) == ((), "water")


async def test_the_age_of_a_copy_is_a_metric_also_after_a_restart(database: str) -> None:
    async with calendar_server() as server:
        watched, team = await following(database, plan_by_url("${ROSTER}"), ROSTER=server.url)
        model = await watched.check(team)
        server.answer = answering(503)
        restarted = Following(database, model, {"ROSTER": server.url})
        restarted.now = NOON + 30 * HOUR
        task = asyncio.create_task(restarted.follower.run())
        await until(lambda: restarted.age() is not None, "an age")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert restarted.age() == 30 * 3600


async def test_a_url_that_is_new_in_the_plan_is_fetched_at_once_and_a_missing_secret_is_named(
    database: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with calendar_server() as server:
        watched, _ = await following(database, plan_by_url("${NOWHERE}"))
        task = asyncio.create_task(watched.follower.run())
        await until(lambda: watched.checks("failed") == 1, "a failed check")
        assert "it needs the environment variable NOWHERE, which is not set" in caplog.text
        await applied(database, replace(canal_plan(), duty=plan_by_url(server.url)))
        watched.follower.on_model(await loaded(database))
        await until(lambda: watched.checks("valid") == 1, "a valid check")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert on_call((await loaded(database)).duty, TEAM, NOON) == "water"
