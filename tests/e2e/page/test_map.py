"""The map in a real browser: by a value with a legend, in clusters, with the signs of alarms."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.e2e.page.browser import SCHEMES, SIZES, WAIT_MS, Chromium, Scheme
from tests.e2e.page.devices import RunningSystem, publish_air, publish_noise
from tests.e2e.page.test_alarms import air_devices, loud_alarm
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.embedded]

LEVEL = 61.5

SITE = "alkmaar.gemaal-overdie"
"""A place that is a point."""

TILE_STYLE = {
    "version": 8,
    "sources": {"all": {"type": "vector", "tiles": ["../tiles-of-style/{z}/{y}/{x}.pbf"], "maxzoom": 14}},
    "layers": [
        {"id": "land", "type": "background", "paint": {"background-color": "#f5e9d0"}},
        {"id": "water", "type": "fill", "source": "all", "source-layer": "waterdeel", "paint": {}},
    ],
}
"""A style such as a server of vector tiles publishes for its own layers."""

FAR = "map=4.75000,52.63000,6.00"
"""So far away that all places of the city are one cluster."""


def counted(count: str) -> re.Pattern[str]:
    """Return what matches one or more of a class or a sign, such as 0:3, among others."""
    return re.compile(rf"(^| ){re.escape(count)}:[1-9]\d*( |$)")


def wait_for_clusters(page: Page) -> list[tuple[int, int, int]]:
    """Return the clusters in sight, once there is one."""
    wait_until(lambda: bool(clusters(page)), "a cluster of places")
    return clusters(page)


def clusters(page: Page) -> list[tuple[int, int, int]]:
    """Return the clusters in sight: their places in pixels of the map, and how many places each has."""
    names = (page.locator("#map").get_attribute("data-clusters") or "").split()
    found = (tuple(map(int, name.split(","))) for name in names)
    return [(x, y, count) for x, y, count in found]


def show(page: Page, value: str) -> None:
    """Choose a value in the select of the legend."""
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
        expect(drawn).to_have_attribute("data-by-class", counted("0"))
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


def test_places_have_the_published_class_of_their_value(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    clean, dirty = list(air_devices(2))
    publish_air(running_system, [clean], {"no2": 20.0})
    publish_air(running_system, [dirty], {"no2": 80.0})
    with chromium.opened(f"{running_system.http}/?show=no2") as opened:
        opened.wait_until_live()
        drawn, legend = opened.page.locator("#map"), opened.page.get_by_test_id("map-legend")
        expect(drawn).to_have_attribute("data-classes", "5")
        # Good, insufficient, and those without the value.
        for number in ("0", "2", "-1"):
            expect(drawn).to_have_attribute("data-by-class", counted(number), timeout=WAIT_MS)
        expect(legend.get_by_test_id("legend-unit")).to_have_text("µg/m³")
        expect(legend.get_by_test_id("legend-classes")).to_contain_text("insufficient")
        expect(legend).to_contain_text("RIVM report 2014-0050")


def test_places_close_to_each_other_are_a_cluster_that_a_press_takes_apart(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with chromium.opened(f"{running_system.http}/?{FAR}") as opened:
        page = opened.page
        opened.wait_until_live()
        x, y, count = max(wait_for_clusters(page), key=lambda one: one[2])
        assert count > 1
        # Below its middle: the sign of an alarm would lie above it.
        page.locator("#map").click(position={"x": x, "y": y + 6})
        expect(page).to_have_url(re.compile(r"map=[\d.]+,[\d.]+,([7-9]|1\d)\.\d\d"))
        expect(page.locator("[data-entity]")).to_have_count(0)
        page.reload()
        opened.wait_until_live()
        assert FAR not in page.url


def test_the_chosen_place_is_no_part_of_a_cluster(running_system: RunningSystem, chromium: Chromium) -> None:
    totals = []
    for chosen in ("", f"&entity={SITE}"):
        with chromium.opened(f"{running_system.http}/?{FAR}{chosen}") as opened:
            opened.wait_until_live()
            totals.append(sum(count for _, _, count in wait_for_clusters(opened.page)))
    assert totals[1] == totals[0] - 1


def test_an_alarm_has_the_sign_of_its_priority_also_over_clusters(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with loud_alarm(running_system), chromium.opened(f"{running_system.http}/?{FAR}") as opened:
        opened.wait_until_live()
        drawn = opened.page.locator("#map")
        expect(drawn).to_have_attribute("data-alarm-signs", counted("alarm-major"), timeout=WAIT_MS)
        opened.page.get_by_test_id("legend-more").locator("summary").press("Enter")
        signs = opened.page.get_by_test_id("legend-alarms").get_by_role("listitem")
        expect(signs).to_contain_text(["Critical", "Major", "Minor", "Warning"])
        opened.keep_picture("map-alarm")


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
        opened.wait_until_live()
        expect(opened.page.get_by_label("On the map")).to_have_value("noise_level")
        assert opened.barriers() == []
        assert not opened.scrolls_sideways()
        assert opened.small_targets() == []
        legend, signs = opened.page.get_by_test_id("legend-more"), opened.page.get_by_test_id("legend-signs")
        if size in ("phone", "zoomed"):
            expect(legend).to_be_hidden()
            opened.page.get_by_test_id("map-legend").locator("summary").first.press("Enter")
        if size != "wall":
            expect(signs).to_be_hidden()
            legend.locator("summary").press("Enter")
            assert opened.barriers() == []
            assert not opened.scrolls_sideways()
        expect(signs).to_be_visible()
        opened.keep_picture(f"map-{scheme}-{size}")


@pytest.mark.parametrize("status", [200, 404])
def test_tiles_with_a_style_of_their_own_are_drawn_by_it(
    running_system: RunningSystem, chromium: Chromium, status: int
) -> None:
    """`LIVETWIN_TILES` is the address of a style; where none comes, the city's background stays."""
    with chromium.opened("about:blank") as opened:
        opened.expect_errors("404")
        page, asked = opened.page, list[str]()

        def answer_settings(route: Route) -> None:
            route.fulfill(json=route.fetch().json() | {"tiles": "/styles/plain?f=mapbox"})

        def answer_tile(route: Route) -> None:
            asked.append(urlsplit(route.request.url).path)
            route.fulfill(body=b"", content_type="application/vnd.mapbox-vector-tile")

        page.route("**/page.json", answer_settings)
        page.route("**/styles/plain*", lambda route: route.fulfill(status=status, json=TILE_STYLE))
        page.route("**/tiles-of-style/**", answer_tile)
        page.goto(f"{running_system.http}/?{FAR}")
        opened.wait_until_live()
        if status == 200:
            wait_until(lambda: bool(asked), "no tile was asked for")
        assert all(re.fullmatch(r"/tiles-of-style/\d+/\d+/\d+\.pbf", path) for path in asked)
        assert bool(asked) == (status == 200)
        opened.keep_picture(f"tile-style-{status}")
