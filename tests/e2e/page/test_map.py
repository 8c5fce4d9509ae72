"""The map in a real browser: by a value with a legend, in clusters, with the signs of alarms."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.page.browser import SCHEMES, SIZES, Chromium, Scheme
from tests.e2e.page.devices import RunningSystem, publish_noise

pytestmark = [pytest.mark.browser, pytest.mark.embedded]

LEVEL = 61.5


def show(page: Page, value: str) -> None:
    """Choose a value by the keyboard, as the select of the legend takes it."""
    choice = page.get_by_label("On the map")
    choice.focus()
    choice.select_option(label=value)


def test_the_map_shows_a_value_by_its_classes_with_a_legend(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    publish_noise(running_system, LEVEL)
    with chromium.opened(running_system.http) as opened:
        page = opened.page
        opened.wait_until_live()
        drawn = page.locator("#map")
        expect(drawn).to_have_attribute("data-classes", "")
        expect(drawn).to_have_attribute("data-filled", "0")
        show(page, "Noise level")
        expect(drawn).not_to_have_attribute("data-classes", "")
        expect(drawn).not_to_have_attribute("data-filled", "0")
        assert "show=noise_level" in page.url
        legend = page.get_by_test_id("map-legend")
        expect(legend.get_by_test_id("legend-unit")).to_contain_text("dB(A)")
        expect(legend.get_by_test_id("legend-classes").get_by_role("listitem").first).to_be_visible()
        expect(legend).to_contain_text("equal steps of the values shown; not a norm")
        expect(legend.get_by_test_id("legend-time")).to_contain_text("Newest value")
        opened.keep_picture("map-value")
        page.reload()
        opened.wait_until_live()
        expect(page.get_by_label("On the map")).to_have_value("noise_level")
        expect(drawn).not_to_have_attribute("data-classes", "")
        show(page, "Themes")
        expect(drawn).to_have_attribute("data-classes", "")
        assert "show=" not in page.url


def test_a_value_that_no_place_has_says_so(running_system: RunningSystem, chromium: Chromium) -> None:
    with chromium.opened(f"{running_system.http}/?show=snow_depth") as opened:
        opened.wait_until_live()
        expect(opened.page.get_by_test_id("map-legend")).to_contain_text("No place has this value now.")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_map_by_value_has_no_barriers(
    running_system: RunningSystem, chromium: Chromium, scheme: Scheme, size: str
) -> None:
    publish_noise(running_system, LEVEL)
    address = f"{running_system.http}/?show=noise_level"
    with chromium.opened(address, scheme=scheme, size=SIZES[size]) as opened:
        opened.wait_until_live(with_map=size not in ("phone", "zoomed"))
        assert opened.barriers() == []
        assert not opened.scrolls_sideways()
        assert opened.small_targets() == []
        opened.keep_picture(f"map-{scheme}-{size}")
