"""What the page says about itself: when nothing comes, when that is over, and what was missed."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.page.browser import WAIT_MS, Chromium
from tests.e2e.page.devices import NOISY_PLACE, RunningSystem, publish_noise

pytestmark = [pytest.mark.browser, pytest.mark.embedded]


def test_a_page_to_which_nothing_comes_says_so_and_tells_what_it_missed(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    """The clock of the page goes on by a minute in which no byte came; then the connection is back."""
    publish_noise(running_system, 61.0)
    with chromium.opened(running_system.http, own_clock=True) as opened:
        page = opened.page
        opened.wait_until_live(with_map=False)
        page.get_by_label("Find a place").fill("overdie neighbourhood")
        row = page.locator(f'[data-row="{NOISY_PLACE}"]')
        expect(row).not_to_contain_text("ago")
        page.clock.pause_at(page.evaluate("Date.now() / 1000 + 60"))
        expect(page.locator("body")).to_have_attribute("data-current", "false", timeout=WAIT_MS)
        expect(page.get_by_test_id("not-live")).to_contain_text(re.compile("since .* from before that time"))
        expect(page).to_have_title(re.compile("^NOT LIVE"))
        expect(row).to_contain_text("ago")
        opened.keep_picture("not-live")
        publish_noise(running_system, 66.6)
        page.clock.resume()
        opened.wait_until_live(with_map=False)
        expect(page.get_by_test_id("not-live")).to_have_count(0)
        expect(page.get_by_test_id("missed")).to_contain_text("Live again since", timeout=WAIT_MS)
        expect(row).to_contain_text("66.6")
        expect(row).not_to_contain_text("ago")
        expect(page).not_to_have_title(re.compile("NOT LIVE"))
