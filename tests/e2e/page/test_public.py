"""The public page: open data in plain language, nothing of staff, and nothing stored in the browser."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.page.browser import SCHEMES, SIZES, WAIT_MS, Chromium, Scheme
from tests.e2e.page.devices import NOISY_PLACE, RunningSystem, publish_noise
from tests.e2e.page.test_barriers import look

pytestmark = [pytest.mark.browser, pytest.mark.embedded]

PARTS = ("Wat we meten", "Sensoren", "Toegankelijkheid", "Privacy", "Contact")


def test_a_citizen_finds_a_neighbourhood_and_reads_what_its_values_mean(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    publish_noise(running_system, 62.5)
    with chromium.opened(f"{running_system.http}/openbaar", size=SIZES["phone"]) as opened:
        page = opened.page
        opened.wait_until_live()
        expect(page.get_by_role("heading", level=1)).to_have_text("Alkmaar nu")
        page.get_by_label("Zoek een buurt").fill("overdie")
        page.locator(f'[data-row="{NOISY_PLACE}"]').click()
        expect(page).to_have_url(re.compile(f"entity={NOISY_PLACE}"))
        value = page.locator("[data-property=noise_level]")
        expect(value.locator("[data-value]")).to_have_text("62,5\u202fdB(A)", timeout=WAIT_MS)
        value.get_by_text("Wat betekent dit?").click()
        expect(value).to_contain_text("Hoe hard het geluid is, in decibel")
        opened.keep_picture("public-neighbourhood")
        value.get_by_role("link", name="Hoe zeker is het?").click()
        expect(page.locator("#about-noise_level")).to_be_in_viewport()
        page.get_by_role("button", name="English").click()
        expect(page.locator("#about-noise_level")).to_contain_text("How loud it is, in decibels")
        # A link brings back part and language. The address follows what is chosen a moment later.
        expect(page).to_have_url(re.compile("lang=en"))
        page.reload()
        expect(page.locator("#about-noise_level")).to_contain_text("How loud it is, in decibels")


def test_the_register_says_of_sensors_what_they_measure_and_what_not(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with chromium.opened(f"{running_system.http}/openbaar?part=sensors") as opened:
        page = opened.page
        kind = page.locator("[data-kind=air-quality]").first
        expect(kind).to_contain_text("Luchtkwaliteitsmeter aan een lantaarnpaal", timeout=WAIT_MS)
        expect(kind).to_contain_text("Geen beeld, geen geluid")
        kind.get_by_text("Waar ze zijn").click()
        expect(kind.get_by_role("row", name=re.compile("aq-overdie-1"))).to_contain_text("1 april 2023")
        opened.keep_picture("public-sensors")


def test_the_public_page_stores_nothing_and_asks_for_no_key(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with chromium.opened(f"{running_system.http}/openbaar", chosen_language=None) as opened:
        page = opened.page
        opened.wait_until_live()
        for part in PARTS:
            page.get_by_role("link", name=part, exact=True).click()
            expect(page.get_by_role("heading", level=2, name=part)).to_be_visible()
        page.get_by_role("button", name="English").click()
        stored = page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length")
        assert stored == 0
        assert page.context.cookies() == []
        assert page.evaluate("navigator.serviceWorker.getRegistrations().then(all => all.length)") == 0
        expect(page.get_by_role("button", name=re.compile("Sign in|Inloggen"))).to_have_count(0)


def test_an_embedded_page_has_its_content_only(running_system: RunningSystem, chromium: Chromium) -> None:
    address = f"{running_system.http}/openbaar?embed=1&entity={NOISY_PLACE}"
    with chromium.opened(address, size=(480, 640)) as opened:
        page = opened.page
        expect(page.locator(f'[data-entity="{NOISY_PLACE}"]')).to_be_visible(timeout=WAIT_MS)
        expect(page.get_by_role("navigation")).to_have_count(0)
        assert opened.barriers() == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_each_part_of_the_public_page_is_without_barriers(
    running_system: RunningSystem, chromium: Chromium, scheme: Scheme, size: str
) -> None:
    publish_noise(running_system, 62.5)
    with chromium.opened(f"{running_system.http}/openbaar", size=SIZES[size], scheme=scheme) as opened:
        page = opened.page
        opened.wait_until_live()
        found = look(opened, f"public-{scheme}-{size}")
        page.locator(f'[data-row="{NOISY_PLACE}"]').click()
        expect(page.locator("[data-property=noise_level]")).to_be_visible(timeout=WAIT_MS)
        found += look(opened, f"public-neighbourhood-{scheme}-{size}")
        for part in PARTS:
            page.get_by_role("link", name=part, exact=True).click()
            expect(page.get_by_role("heading", level=2, name=part)).to_be_visible()
            if part == "Sensoren":
                expect(page.locator("[data-kind=noise]").first).to_be_visible(timeout=WAIT_MS)
            found += look(opened, f"public-{part}-{scheme}-{size}")
        assert found == []
