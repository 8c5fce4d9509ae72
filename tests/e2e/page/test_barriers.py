"""No barriers in what the page shows: axe, in both schemes, from a phone and 400 % zoom to a wall."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.page.browser import SCHEMES, SIZES, WAIT_MS, Chromium, OpenPage, Scheme
from tests.e2e.page.devices import NOISY_PLACE, RunningSystem, publish_flood, publish_noise

pytestmark = [pytest.mark.browser, pytest.mark.embedded]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_each_state_of_the_city_and_the_alarms_is_without_barriers(
    running_system: RunningSystem, chromium: Chromium, scheme: Scheme, size: str
) -> None:
    publish_noise(running_system, 62.5)
    # Another polder than that of the test that waits for the news of an alarm.
    alarm = publish_flood(running_system, "polder-vroonermeer")
    with chromium.opened(running_system.http, size=SIZES[size], scheme=scheme) as opened:
        page = opened.page
        opened.wait_until_live()
        found = look(opened, f"city-{scheme}-{size}")
        page.get_by_label("Find a place").fill("overdie")
        page.locator(f'[data-row="{NOISY_PLACE}"]').click()
        panel = page.locator(f'[data-entity="{NOISY_PLACE}"]')
        expect(panel.locator("figure .summary")).to_contain_text("Lowest", timeout=WAIT_MS)
        expect(panel.locator("[data-domain=noise]")).to_be_visible()
        found += look(opened, f"entity-{scheme}-{size}")
        page.keyboard.press("Escape")
        page.get_by_role("link", name="Alarms").click()
        row = page.locator(f'[data-alarm="{alarm}"]')
        expect(row).to_be_visible(timeout=WAIT_MS)
        found += look(opened, f"alarms-{scheme}-{size}")
        row.click()
        expect(page.get_by_role("heading", name="What happened")).to_be_visible(timeout=WAIT_MS)
        found += look(opened, f"alarm-{scheme}-{size}")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_label("API key")).to_be_focused()
        found += look(opened, f"sign-in-{scheme}-{size}")
        assert found == []


def look(opened: OpenPage, name: str) -> list[str]:
    """Return what is wrong in the state that is open, with its name."""
    opened.keep_picture(name)
    found = [f"{name}: {barrier}" for barrier in opened.barriers()]
    if opened.scrolls_sideways():
        found.append(f"{name}: the page scrolls sideways")
    return [*found, *(f"{name}: {target}" for target in opened.small_targets())]
