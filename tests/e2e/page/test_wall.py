"""The wall: worst alarms, counts, clock and the state of the stream, readable from afar, for months."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.e2e.page.browser import SCHEMES, SIZES, WAIT_MS, Chromium, Scheme
from tests.e2e.page.devices import RunningSystem, publish_flood, publish_noise
from tests.e2e.page.test_barriers import look

pytestmark = [pytest.mark.browser, pytest.mark.embedded]

WALL = (3840, 2160)


def test_the_wall_is_readable_from_afar_and_does_not_grow(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    alarm = publish_flood(running_system, "polder-vroonermeer")
    with chromium.opened(f"{running_system.http}/?view=wall", size=WALL, own_clock=True) as opened:
        page = opened.page
        opened.wait_until_live()
        row = page.locator(f'.wall [data-alarm="{alarm}"]')
        expect(row).to_be_visible(timeout=WAIT_MS)
        assert row.evaluate("one => parseFloat(getComputedStyle(one).fontSize)") >= 40
        expect(page.get_by_test_id("stream")).to_have_text("Live")
        expect(page.locator(".wall button")).to_have_count(0)
        # The map is as large, and as sharp.
        assert (
            page.locator("#map").evaluate("one => one.getBoundingClientRect().width / one.clientWidth") > 2.5
        )
        sizes = page.locator("#map canvas").evaluate("one => [one.width, one.getBoundingClientRect().width]")
        assert sizes[0] == pytest.approx(sizes[1], rel=0.01)
        opened.keep_picture("wall")
        elements = "document.querySelectorAll('.wall *').length"
        before = page.evaluate(elements)
        for level in range(20):
            publish_noise(running_system, 50 + level / 10)
        page.clock.run_for("01:00:00")
        assert page.evaluate(elements) == before


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_the_wall_is_without_barriers(
    running_system: RunningSystem, chromium: Chromium, scheme: Scheme, size: str
) -> None:
    publish_flood(running_system, "polder-vroonermeer")
    address = f"{running_system.http}/?view=wall"
    with chromium.opened(address, size=SIZES[size], scheme=scheme) as opened:
        opened.wait_until_live()
        expect(opened.page.locator(".wall [data-alarm]").first).to_be_visible(timeout=WAIT_MS)
        assert look(opened, f"wall-{scheme}-{size}") == []
