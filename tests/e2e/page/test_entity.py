"""One place in a browser: charts, comparison, relations, sensors, correlations, and a moment of the past."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import psycopg
import pytest
from playwright.sync_api import Locator, Page, expect

from runtime.clock import system_clock
from tests.e2e.page.browser import WAIT_MS, Chromium, OpenPage
from tests.e2e.page.devices import NOISE_SENSOR, NOISY_PLACE, publish_noise
from tests.support.processes.running_system import RunningSystem
from tests.support.waiting import wait_until
from twin.instant import HOUR, MINUTE, Instant, to_datetime

pytestmark = [pytest.mark.browser, pytest.mark.embedded]

BACKLOG = 40
"""Values of the last hours that the tests send, five minutes apart."""


@pytest.fixture(scope="module")
def measured(running_system: RunningSystem) -> RunningSystem:
    """Return a system with the noise of some hours."""
    for number in range(BACKLOG, 0, -1):
        publish_noise(running_system, 50.0 + number % 10, age=number * 5 * MINUTE)
    publish_noise(running_system, 55.5)
    return running_system


def store_noise(system: RunningSystem, time: Instant, level: float) -> None:
    """Store a noise level, received when it was measured: a moment of the past shows what was known then."""
    with psycopg.connect(system.postgres) as connection:
        found = connection.execute(
            "SELECT id FROM datastream WHERE sensor_id = %s AND property = 'noise_level'", (NOISE_SENSOR,)
        ).fetchone()
        assert found is not None
        connection.execute(
            "INSERT INTO observation (datastream_id, phenomenon_time, received_time, value, flags) "
            "VALUES (%s, %s, %s, %s, 0)",
            (found[0], to_datetime(time), to_datetime(time), level),
        )


def open_place(opened: OpenPage, system: RunningSystem, **changes: str) -> Page:
    query = "".join(f"&{name}={value}" for name, value in changes.items())
    opened.page.goto(f"{system.http}/?entity={NOISY_PLACE}&property=noise_level{query}")
    opened.wait_until_live()
    expect(chart_on(opened.page)).to_be_visible(timeout=WAIT_MS)
    return opened.page


def chart_on(page: Page) -> Locator:
    return page.locator(f'[data-entity="{NOISY_PLACE}"] figure')


def test_a_chart_shows_any_range_and_its_address_shows_the_same(
    measured: RunningSystem, chromium: Chromium
) -> None:
    with chromium.opened(measured.http) as opened:
        page = open_place(opened, measured)
        chart = chart_on(page)
        expect(chart).not_to_have_attribute("data-points", re.compile("^[01]?$"), timeout=WAIT_MS)
        for name, text in (("1 hour", "1h"), ("1 week", "1w"), ("1 year", "1y")):
            chart.get_by_role("button", name=name).click()
            expect(page).to_have_url(re.compile(f"range={text}"))
            expect(chart.get_by_role("button", name=name)).to_have_attribute("aria-pressed", "true")
            expect(chart.locator(".summary")).to_contain_text("Lowest", timeout=WAIT_MS)
        chart.get_by_role("button", name="1 hour").click()
        chart.get_by_role("button", name="Zoom in").click()
        expect(page).to_have_url(re.compile(r"range=\d"))
        expect(chart.get_by_role("button", name="1 hour")).to_have_attribute("aria-pressed", "false")
        zoomed = chart.locator(".when").inner_text()
        page.reload()
        opened.wait_until_live()
        expect(chart.locator(".when")).to_have_text(zoomed, timeout=WAIT_MS)
        opened.keep_picture("entity-zoomed")


def test_a_new_value_goes_on_with_the_line(measured: RunningSystem, chromium: Chromium) -> None:
    with chromium.opened(measured.http) as opened:
        page = open_place(opened, measured, range="1h")
        chart = chart_on(page)
        expect(chart.locator(".summary")).to_contain_text("Lowest", timeout=WAIT_MS)
        # Higher than what other tests of the shared system publish.
        publish_noise(measured, 97.5)
        expect(chart.locator(".summary")).to_contain_text("highest 97.5", timeout=WAIT_MS)


def test_limits_of_rules_and_the_usual_are_beside_the_line(
    measured: RunningSystem, chromium: Chromium
) -> None:
    with chromium.opened(measured.http) as opened:
        page = open_place(opened, measured, compare="usual")
        chart = chart_on(page)
        expect(chart.get_by_label("Compare with")).to_have_value("usual")
        expect(chart.locator(".dashed")).to_contain_text("The usual of that hour", timeout=WAIT_MS)
        limits = chart.get_by_role("list", name="Limits of rules").get_by_role("listitem")
        expect(limits.first).to_contain_text("above", timeout=WAIT_MS)
        opened.keep_picture("entity-usual")


def test_what_is_seen_can_be_taken_away(measured: RunningSystem, chromium: Chromium, tmp_path: Path) -> None:
    with chromium.opened(measured.http) as opened:
        page = open_place(opened, measured, range="1d")
        chart = chart_on(page)
        expect(chart.locator(".summary")).to_contain_text("Lowest", timeout=WAIT_MS)
        # Downloads have what was settled half a minute ago.
        query = {"entity": NOISY_PLACE, "property": "noise_level"}

        def are_settled() -> bool:
            answer = httpx.get(
                f"{measured.http}/v1/observations", params=query, headers={"Accept": "text/csv"}
            )
            return len(answer.raise_for_status().text.splitlines()) > BACKLOG

        wait_until(are_settled, "the readings in a download", timeout_s=90)
        chart.get_by_text("Own days, and taking away").click()
        with page.expect_download() as picture:
            chart.get_by_role("button", name="Save as PNG").click()
        picture.value.save_as(tmp_path / "chart.png")
        assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
        with page.expect_download() as table:
            chart.get_by_role("button", name="Save as CSV").click()
        table.value.save_as(tmp_path / "values.csv")
        lines = (tmp_path / "values.csv").read_text().splitlines()
        assert len(lines) > BACKLOG
        assert "noise_level" in lines[1]
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        chart.get_by_role("button", name="Copy the link").click()
        expect(chart.get_by_test_id("export")).to_have_text("Copied.")
        link = page.evaluate("navigator.clipboard.readText()")
        assert re.search(r"range=\d", link)


def test_relations_sensors_and_sources_are_reached_by_keyboard(
    measured: RunningSystem, chromium: Chromium
) -> None:
    with chromium.opened(measured.http) as opened:
        page = open_place(opened, measured)
        panel = page.locator(f'[data-entity="{NOISY_PLACE}"]')
        expect(panel.locator(f'li[data-sensor="{NOISE_SENSOR}"]')).to_contain_text("Live", timeout=WAIT_MS)
        expect(panel.get_by_test_id("calibration")).to_be_visible()
        reasons = panel.get_by_text("Explanation and sources")
        reasons.focus()
        page.keyboard.press("Enter")
        expect(panel.get_by_text("Source:").first).to_be_visible()
        relation = panel.get_by_role("group", name="Relations").get_by_role("link").first
        name = str(relation.get_attribute("aria-label")).rpartition(",")[0]
        relation.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=2, name=name)).to_be_visible(timeout=WAIT_MS)
        opened.keep_picture("entity-relations")


def test_a_correlation_says_how_much_it_rests_on(measured: RunningSystem, chromium: Chromium) -> None:
    with chromium.opened(measured.http) as opened:
        page = open_place(opened, measured)
        panel = page.locator(f'[data-entity="{NOISY_PLACE}"]')
        choice = panel.get_by_label("Noise level, together with")
        options = choice.locator("option").all()
        assert len(options) > 1
        choice.select_option(index=1)
        expect(page).to_have_url(re.compile("with="))
        expect(panel.get_by_test_id("correlation")).not_to_have_text("Fetching …", timeout=WAIT_MS)
        expect(panel.get_by_test_id("correlation")).not_to_be_empty()


def test_the_whole_page_shows_a_moment_of_the_past(measured: RunningSystem, chromium: Chromium) -> None:
    moment = system_clock() // MINUTE * MINUTE - 6 * HOUR
    for minutes, level in ((-2, 41.5), (30, 47.5)):
        store_noise(measured, moment + minutes * MINUTE, level)
    with chromium.opened(measured.http) as opened:
        page = open_place(opened, measured)
        value = page.locator(f'[data-entity="{NOISY_PLACE}"] [data-property=noise_level] [data-value]')
        expect(value).to_be_visible(timeout=WAIT_MS)
        page.get_by_role("button", name="Look back").click()
        slider = page.get_by_label("Time of day")
        expect(page.locator("section .notice")).to_have_attribute("data-complete", "true", timeout=WAIT_MS)
        begun = int(slider.input_value())
        slider.focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        expect(slider).to_have_value(str(begun + 3 * 10 * 60_000))
        slider.fill(str(moment // 1000))
        expect(value).to_have_attribute("data-value", "41.5", timeout=WAIT_MS)
        shown = value.get_attribute("data-value")
        opened.keep_picture("entity-past")
        # The slider goes in minutes from its own start on.
        chosen = to_datetime(int(slider.input_value()) * 1000)
        expect(page).to_have_url(re.compile(f"at={chosen:%Y-%m-%dT%H:%M:%S}"))
        address = page.url
        page.reload()
        assert page.url == address
        expect(value).to_have_attribute("data-value", str(shown), timeout=WAIT_MS)
        played_from = page.locator(".moment").inner_text()
        page.get_by_test_id("play").click()
        expect(page.locator(".moment")).not_to_have_text(played_from, timeout=WAIT_MS)
        page.get_by_test_id("to-now").click()
        expect(page.get_by_role("button", name="Look back")).to_be_visible()
