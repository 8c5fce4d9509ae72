"""What the page says about itself: when nothing comes, when that is over, and what was missed."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, expect

from tests.e2e.page.browser import WAIT_MS, Chromium, OpenPage
from tests.e2e.page.devices import NOISY_PLACE, publish_noise
from tests.e2e.test_database_outage import frozen
from tests.support.processes.running_system import RunningSystem, kept_dead

pytestmark = [pytest.mark.browser, pytest.mark.embedded]


def find_row(opened: OpenPage) -> Locator:
    """Return the row of the noisy place, once the page is live and has found it."""
    opened.wait_until_live(with_map=False)
    opened.page.get_by_label("Find a place").fill("overdie neighbourhood")
    return opened.page.locator(f'[data-row="{NOISY_PLACE}"]')


def expect_live_again(opened: OpenPage, row: Locator, missed: str, value: str) -> None:
    """Let the clock of the page go on; it is live then, says what it missed, and has the newest value."""
    page = opened.page
    page.clock.resume()
    opened.wait_until_live(with_map=False)
    expect(page.get_by_test_id("not-live")).to_have_count(0)
    expect(page.get_by_test_id("missed")).to_contain_text(missed, timeout=WAIT_MS)
    expect(row).to_contain_text(value)
    expect(page).not_to_have_title(re.compile("NOT LIVE"))


def test_a_page_to_which_nothing_comes_says_so_and_tells_what_it_missed(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    """The clock of the page goes on by a minute in which no byte came; then the connection is back."""
    publish_noise(running_system, 61.0)
    with chromium.opened(running_system.http, own_clock=True) as opened:
        page, row = opened.page, find_row(opened)
        expect(row).not_to_contain_text("ago")
        page.clock.pause_at(page.evaluate("Date.now() / 1000 + 60"))
        expect(page.locator("body")).to_have_attribute("data-current", "false", timeout=WAIT_MS)
        expect(page.get_by_test_id("not-live")).to_contain_text(re.compile("since .* from before that time"))
        expect(page).to_have_title(re.compile("^NOT LIVE"))
        expect(row).to_contain_text("ago")
        opened.keep_picture("not-live")
        publish_noise(running_system, 66.6)
        expect_live_again(opened, row, "Live again since", "66.6")
        expect(row).not_to_contain_text("ago")


def test_a_stopped_api_is_told_within_three_heartbeats_and_nothing_is_missed(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    """Its connection stays open while it is frozen; the clock of the page goes on by 5, 15 and 45 s."""
    publish_noise(running_system, 61.0)
    with chromium.opened(running_system.http, own_clock=True) as opened:
        page, row = opened.page, find_row(opened)
        body, says = page.locator("body"), page.get_by_test_id("not-live")
        with frozen(running_system.ports["pids"]["api"][0]):
            begun = page.evaluate("Date.now() / 1000")
            page.clock.pause_at(begun + 5)
            expect(body).to_have_attribute("data-current", "true")
            expect(says).to_have_count(0)
            page.clock.pause_at(begun + 15)
            expect(body).to_have_attribute("data-current", "false")
            expect(says).to_contain_text("Nothing has come from the server since")
            expect(page).to_have_title(re.compile("^NOT LIVE"))
            page.clock.pause_at(begun + 45)
            expect(says).to_contain_text(re.compile(r"(Nothing has come|has been lost) .*\(4\d s ago\)"))
            expect(row).to_contain_text("ago")
            opened.keep_picture("not-live-45")
            publish_noise(running_system, 67.7)
        expect_live_again(opened, row, "changed; all of it is here now.", "67.7")


def test_a_killed_api_is_told_at_once_and_nothing_is_missed(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    """It stays dead while the clock of the page goes on by 5, 15 and 45 s, and is then restarted."""
    publish_noise(running_system, 61.0)
    with chromium.opened(running_system.http, own_clock=True) as opened:
        opened.expect_errors("ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_EMPTY_RESPONSE")
        opened.wait_until_live()  # with the map: what it needs must have come before
        page, row = opened.page, find_row(opened)
        body, says = page.locator("body"), page.get_by_test_id("not-live")
        with kept_dead(running_system, "api"):
            expect(body).to_have_attribute("data-current", "false", timeout=WAIT_MS)
            begun = page.evaluate("Date.now() / 1000")
            for seconds, age in ((5, r"\d\d?"), (15, r"(1\d|20)"), (45, r"(4\d|50)")):
                page.clock.pause_at(begun + seconds)
                expect(says).to_contain_text(re.compile(rf"has been lost since .*\({age} s ago\)"))
                expect(page).to_have_title(re.compile("^NOT LIVE"))
            expect(row).to_contain_text("ago")
            opened.keep_picture("killed-45")
            publish_noise(running_system, 68.8)
        expect_live_again(opened, row, "all of it is here now.", "68.8")


def test_the_map_comes_once_the_connection_is_back(running_system: RunningSystem, chromium: Chromium) -> None:
    """Its worker did not come at first: the api died just then."""
    with chromium.opened("about:blank") as opened:
        opened.expect_errors("ERR_|answered with|Failed to fetch")
        page = opened.page
        page.route("**/map-worker-*", lambda route: route.abort())
        page.goto(f"{running_system.http}/?lang=en")
        opened.wait_until_live(with_map=False)
        says = page.get_by_text("This part of the page could not be loaded.")
        expect(says).to_be_visible(timeout=WAIT_MS)
        opened.keep_picture("no-map")
        page.unroute("**/map-worker-*")
        with kept_dead(running_system, "api"):
            expect(page.locator("body")).to_have_attribute("data-current", "false", timeout=WAIT_MS)
        opened.wait_until_live()
        expect(says).to_have_count(0)


def test_a_part_whose_code_does_not_come_says_so(running_system: RunningSystem, chromium: Chromium) -> None:
    """The page was open while the city got a newer version of it, whose files have other names."""
    with chromium.opened(running_system.http) as opened:
        opened.expect_errors("404|Failed to fetch|Unable to preload")
        opened.wait_until_live(with_map=False)
        page = opened.page
        page.route("**/AlarmRoom-*", lambda route: route.fulfill(status=404))
        page.get_by_role("navigation").get_by_role("link", name=re.compile("Alarms")).click()
        again = page.get_by_role("button", name="Load the page again")
        expect(again).to_be_visible(timeout=WAIT_MS)
        assert opened.barriers() == []
        page.unroute("**/AlarmRoom-*")
        again.click()
        expect(page.get_by_role("heading", name="Alarms", exact=True)).to_be_visible(timeout=WAIT_MS)
