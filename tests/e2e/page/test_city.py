"""The city in a real browser: values published to MQTT appear in the panel of a place, live."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from runtime.clock import system_clock
from tests.e2e.page.browser import SIZES, WAIT_MS, Chromium
from tests.e2e.page.devices import NOISY_PLACE, RunningSystem, publish_noise
from twin.instant import format_instant

ENTITY = NOISY_PLACE

pytestmark = [pytest.mark.browser, pytest.mark.embedded]


def test_a_published_value_appears_on_the_open_page_with_its_unit(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with chromium.opened(running_system.http) as opened:
        page = opened.page
        opened.wait_until_live()
        page.get_by_label("Find a place").fill("overdie neighbourhood")
        page.locator(f'[data-row="{ENTITY}"]').click()
        value = page.locator(f'[data-entity="{ENTITY}"] [data-property=noise_level] [data-value]')
        for level in (61.3, 64.8):
            publish_noise(running_system, level)
            expect(value).to_have_attribute("data-value", str(level), timeout=WAIT_MS)
            expect(value).to_have_attribute("data-unit", "dB[A]")
            expect(value).to_have_text(f"{level}\u202fdB(A)")
        row = page.locator(f'[data-entity="{ENTITY}"] [data-property=noise_level]')
        expect(row).to_have_attribute("data-freshness", "live")
        expect(row).to_have_attribute("data-quality", "good")
        opened.keep_picture("city-value")


def test_the_page_lists_the_entities_of_the_city_and_names_it(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with chromium.opened(running_system.http) as opened:
        page = opened.page
        opened.wait_until_live()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Alkmaar")
        everything = int(page.get_by_test_id("entity-count").get_attribute("data-count") or 0)
        assert everything > 50
        page.get_by_label("Find a place").fill("road")
        expect(page.get_by_test_id("entity-count")).not_to_have_attribute("data-count", str(everything))


def test_a_neighbourhood_shows_its_roll_ups_and_its_liveability(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    publish_noise(running_system, 61.5)
    with chromium.opened(running_system.http) as opened:
        page = opened.page
        opened.wait_until_live()
        page.get_by_label("Find a place").fill("overdie neighbourhood")
        row, detail = page.locator(f'[data-row="{ENTITY}"]'), page.locator(f'[data-entity="{ENTITY}"]')
        row.click()
        rolled_up = detail.locator("[data-kind=area] [data-property=area_noise_level] [data-value]")
        expect(rolled_up).to_have_attribute("data-value", "61.5", timeout=WAIT_MS)
        page.keyboard.press("Escape")
        row.click()
        noise = detail.locator("[data-domain=noise]")
        # 100 at 53 dB(A), 0 at 70 dB(A).
        expect(noise).to_have_attribute("data-score", "50", timeout=WAIT_MS)
        expect(noise).to_contain_text("61.5\u202fdB(A)")
        expect(detail.locator("[data-domain=mobility]")).to_contain_text("No value")


def test_a_suspect_value_is_marked_and_the_last_good_one_stands_beside_it(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    entity = "alkmaar.transformer-oudorp"
    with chromium.opened(running_system.http) as opened:
        page = opened.page
        opened.wait_until_live()
        page.get_by_label("Find a place").fill(entity)
        page.locator(f'[data-row="{entity}"]').click()
        row = page.locator(f'[data-entity="{entity}"] [data-property=transformer_power]')
        # Outside the range of this transformer, but within the plausible range of a message.
        for power, quality in ((80.5, "good"), (1_500.0, "suspect")):
            payload = {"time": format_instant(system_clock()), "values": {"power": power}}
            running_system.publish("livetwin/alkmaar/tr-oudorp-1/observations", json.dumps(payload).encode())
            expect(row).to_have_attribute("data-quality", quality, timeout=WAIT_MS)
        expect(row.locator(".badge")).to_have_text("suspect")
        expect(row.locator(".last-good")).to_contain_text("Last good 80.5\u202fkW")


def test_the_page_shows_whether_the_ledger_balances(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    publish_noise(running_system, 60.0)
    with chromium.opened(running_system.http) as opened:
        page = opened.page
        opened.wait_until_live()
        page.get_by_text("Data health").click()
        health = page.locator("#health")
        expect(health).to_have_attribute("data-balanced", "true", timeout=WAIT_MS)
        expect(health).to_contain_text("The ledger balances")
        expect(health.get_by_label("The ledger's equations")).to_contain_text("lost 0 = 0")


def test_an_entity_is_chosen_and_left_without_a_mouse_on_a_phone(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with chromium.opened(running_system.http, size=SIZES["phone"]) as opened:
        page = opened.page
        opened.wait_until_live()
        page.get_by_label("Find a place").fill(ENTITY)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        detail = page.locator(f'[data-entity="{ENTITY}"]')
        expect(detail.get_by_role("heading", level=2)).to_have_text("Overdie")
        page.keyboard.press("Escape")
        expect(detail).to_have_count(0)


def test_rows_stay_the_same_while_the_page_changes(running_system: RunningSystem, chromium: Chromium) -> None:
    """A row that is made anew loses focus and clicks."""
    with chromium.opened(running_system.http) as opened:
        page = opened.page
        opened.wait_until_live()
        page.get_by_label("Find a place").fill("overdie")
        row = page.locator(f'[data-row="{ENTITY}"]')
        row.evaluate("row => { row.stays = true }")
        row.click()
        expect(page).to_have_url(re.compile(r"entity=alkmaar\.overdie"))
        publish_noise(running_system, 63.7)
        value = page.locator(f'[data-entity="{ENTITY}"] [data-property=noise_level] [data-value]')
        expect(value).to_have_attribute("data-value", "63.7", timeout=WAIT_MS)
        page.get_by_role("button", name="Nederlands").click()
        expect(page.locator("html")).to_have_attribute("lang", "nl")
        page.keyboard.press("Escape")
        expect(row).to_be_focused()
        assert row.evaluate("row => row.stays") is True


def test_the_address_brings_back_what_is_shown(running_system: RunningSystem, chromium: Chromium) -> None:
    with chromium.opened(running_system.http) as opened:
        page = opened.page
        opened.wait_until_live()
        page.get_by_label("Find a place").fill("stikstof")
        page.get_by_label("Mobility").uncheck()
        row = page.locator(f'[data-row="{ENTITY}"]')
        row.click()
        expect(page.locator(f'[data-entity="{ENTITY}"]')).to_be_visible()
        page.reload()
        opened.wait_until_live()
        expect(page.locator(f'[data-entity="{ENTITY}"]')).to_be_visible()
        expect(page.get_by_label("Find a place")).to_have_value("stikstof")
        expect(page.get_by_label("Mobility")).not_to_be_checked()
        page.go_back()
        expect(page.locator(f'[data-entity="{ENTITY}"]')).to_have_count(0)


def test_a_place_is_found_by_quantity_sensor_and_with_a_typing_error(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with chromium.opened(running_system.http) as opened:
        page = opened.page
        opened.wait_until_live(with_map=False)
        row = page.locator(f'[data-row="{ENTITY}"]')
        for query in ("geluidsniveau overdie", "noise level overdie", "noise-overdie", "ovredie"):
            page.get_by_label("Find a place").fill(query)
            expect(row).to_be_visible()
            expect(page.get_by_test_id("entity-count")).not_to_have_attribute("data-count", "75")
        expect(page.get_by_test_id("entity-count")).to_contain_text("these resemble them")


def test_a_key_counts_only_once_the_server_knows_it(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with chromium.opened(running_system.http) as opened:
        page = opened.page
        opened.wait_until_live(with_map=False)
        opened.expect_errors("401")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_label("API key").fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert").filter(has_text="does not know this key")).to_be_visible()
        page.get_by_label("API key").fill(running_system.operator_key)
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("signed-in")).to_contain_text("Signed in")
        page.reload()
        expect(page.get_by_test_id("signed-in")).to_contain_text("Signed in")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
