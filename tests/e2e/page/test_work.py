"""The room for work in a browser: rules, duty, maintenance, unknown devices, the ledger, the city folder."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.page.browser import SCHEMES, SIZES, WAIT_MS, Chromium, OpenPage, Scheme
from tests.e2e.page.devices import (
    NOISE_SENSOR,
    NOISY_PLACE,
    publish_noise,
    publish_values,
    rules_in_force,
)
from tests.e2e.page.test_barriers import look
from tests.e2e.test_path import new_key
from tests.support.processes.running_system import RunningSystem
from twin.instant import MINUTE

pytestmark = [pytest.mark.browser, pytest.mark.embedded]

PARTS = (
    *("rules", "duty", "handover", "messages", "maintenance"),
    *("ledger", "quarantine", "devices", "provenance", "city"),
)

RULE = "quiet-evening"
QUIET: dict[str, Any] = {
    "id": RULE,
    "title": {"en": "Quiet evening", "nl": "Rustige avond"},
    "theme": "environment",
    "select": {"entities": [NOISY_PLACE]},
    "when": {"value": "noise_level", "above": {"minor": 99}, "deadband": 1},
}


@pytest.fixture(scope="module")
def administrator_key(running_system: RunningSystem) -> str:
    """Return the key of a role that may do everything."""
    return new_key(running_system, "admin")


def open_part(opened: OpenPage, system: RunningSystem, part: str, **changes: str) -> Page:
    """Open a part of the room for work and return the page once it is shown."""
    query = "".join(f"&{name}={value}" for name, value in changes.items())
    opened.page.goto(f"{system.http}/?view=work&part={part}{query}")
    opened.wait_until_live(with_map=False)
    expect(opened.page.locator(f"section[data-part={part}]")).to_be_visible(timeout=WAIT_MS)
    return opened.page


def test_a_rule_is_changed_in_form_or_text_and_tested_over_history_before_it_is_in_force(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    # A back-test ends with the last whole minute.
    publish_noise(running_system, 66.0, age=10 * MINUTE)
    with rules_in_force(running_system, QUIET), chromium.opened(running_system.http) as opened:
        opened.sign_in(running_system.operator_key)
        page = open_part(opened, running_system, "rules")
        page.get_by_label("Find a rule").fill("quiet evening")
        expect(page.get_by_test_id("rule-count")).to_have_attribute("data-count", "1")
        page.get_by_role("link", name="Quiet evening").click()
        expect(page).to_have_url(re.compile(rf"rule={RULE}"))
        text = page.get_by_role("textbox", name="YAML")
        limit = page.get_by_label("Limit for minor")
        expect(limit).to_have_value("99")
        # The form changes the text, and the text changes the form.
        limit.fill("65")
        expect(text).to_have_value(re.compile(r"minor: 65\b"))
        text.fill(text.input_value().replace("minor: 65", "minor: 64"))
        expect(limit).to_have_value("64")
        expect(page.get_by_text("Not saved yet")).to_be_visible()

        page.get_by_role("button", name="Run the back-test").click()
        result = page.get_by_test_id("backtest-result")
        expect(result.locator("li[data-change=added]")).to_have_attribute("data-count", re.compile("[1-9]"))
        expect(result.get_by_role("img", name="Episodes at Overdie")).to_be_visible()
        expect(result.locator("tbody tr[data-change=added]").first).to_contain_text("Overdie")
        opened.keep_picture("work-backtest")

        # A fault is told at its line, and nothing is saved.
        right = text.input_value()
        text.fill(right.replace("noise_level", "noise_levle"))
        opened.expect_errors("status of 4")
        page.get_by_role("button", name="Save and put into force").click()
        fault = page.get_by_test_id("rule-faults").locator("li[data-line]").first
        expect(fault).to_contain_text("noise_levle", timeout=WAIT_MS)
        opened.keep_picture("work-rule-fault")
        text.fill(right)
        page.get_by_role("button", name="Save and put into force").click()
        expect(page.get_by_text("Version 2 is in force.").first).to_be_visible(timeout=WAIT_MS)
        expect(page.get_by_text("Not saved yet")).to_have_count(0)
        page.reload()
        expect(page.get_by_label("Limit for minor")).to_have_value("64")
        expect(page.locator("li[data-version]")).to_have_count(2)


def test_an_override_changes_who_is_on_call_until_it_is_withdrawn(
    running_system: RunningSystem, chromium: Chromium, administrator_key: str
) -> None:
    with chromium.opened(running_system.http) as opened:
        opened.sign_in(administrator_key)
        page = open_part(opened, running_system, "duty")
        team = page.locator("li[data-team]").first
        name = team.get_attribute("data-team")
        grid = page.get_by_role("grid")
        expect(grid).to_be_visible()
        contacts = page.locator("datalist option")
        # By keyboard: the cell of today, Enter, who, and the form sends itself by Enter.
        cells = grid.locator(f'[data-team="{name}"] [role=gridcell]')
        cells.first.focus()
        page.keyboard.press("Home")
        for _ in range(int(cells.and_(page.locator(".today")).get_attribute("data-day") or 0)):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        who = page.get_by_label("Who (id of the contact)")
        expect(who).to_be_focused()
        ids = [str(one.get_attribute("value")) for one in contacts.all()]
        assert ids
        chosen = ids[-1]
        who.fill(chosen)
        page.get_by_label("Reason").fill("Ill")
        page.keyboard.press("Enter")
        made = page.locator("li[data-override]")
        expect(made).to_have_count(1, timeout=WAIT_MS)
        expect(made).to_contain_text("Ill")
        expect(page.locator(f'li[data-team="{name}"]')).to_contain_text("override", timeout=WAIT_MS)
        opened.keep_picture("work-override")
        made.get_by_role("button", name=re.compile("Withdraw")).click()
        expect(made).to_have_count(0, timeout=WAIT_MS)
        expect(page.locator(f'li[data-team="{name}"]')).not_to_contain_text("override", timeout=WAIT_MS)


def test_a_recurring_maintenance_window_is_made_shown_and_deleted(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    window = "sewer-cleaning"
    with chromium.opened(running_system.http) as opened:
        opened.sign_in(running_system.operator_key)
        page = open_part(opened, running_system, "maintenance")
        page.get_by_role("button", name="New window").click()
        form = page.locator("form[data-window-form]")
        form.get_by_label("Title").fill("Sewer cleaning")
        form.get_by_label("Id", exact=True).fill(window)
        form.get_by_label("Entities").fill(NOISY_PLACE)
        form.get_by_label("First start").fill("2027-03-01T09:00")
        form.get_by_label("First end").fill("2027-03-01T11:00")
        form.get_by_label("Recurs").select_option(label="each week")
        form.get_by_label("Monday").check()
        expect(form.get_by_test_id("recurrence")).to_have_text("each week on Monday")
        form.get_by_role("button", name="Save the window").click()
        shown = page.locator(f'li[data-window="{window}"]')
        expect(shown.get_by_test_id("sentence")).to_have_text("each week on Monday", timeout=WAIT_MS)
        expect(shown.locator("ol li")).to_have_count(3)
        expect(shown.locator("ol li").first).to_contain_text("09:00")
        opened.keep_picture("work-maintenance")
        page.get_by_role("button", name="Calendar", exact=True).click()
        expect(page).to_have_url(re.compile("as=calendar"))
        page.goto(f"{running_system.http}/?view=work&part=maintenance&as=calendar&month=2027-03")
        expect(page.locator(".month .time")).to_have_count(5, timeout=WAIT_MS)
        page.get_by_role("button", name="List", exact=True).click()
        shown.get_by_role("button", name="Edit Sewer cleaning").click()
        form.get_by_role("button", name="Delete the window").click()
        form.get_by_role("button", name="Delete it: what it covered is judged again").click()
        expect(shown).to_have_count(0, timeout=WAIT_MS)


def test_an_unknown_device_becomes_a_sensor_and_its_messages_are_used(
    running_system: RunningSystem, chromium: Chromium, administrator_key: str
) -> None:
    device = "noise-new-street"
    publish_values(running_system, device, {"noise_level": 58.5})
    with chromium.opened(running_system.http) as opened:
        opened.sign_in(administrator_key)
        page = open_part(opened, running_system, "devices")
        unknown = page.locator("li[data-device]").filter(has=page.get_by_role("heading", name=device))
        expect(unknown).to_contain_text("1 message", timeout=WAIT_MS)
        unknown.get_by_role("link", name="quarantine").click()
        message = page.locator("li[data-quarantined]")
        expect(message).to_have_count(1)
        expect(message).to_contain_text("unknown sensor")
        message.get_by_role("button", name="Show the message").click()
        expect(message).to_contain_text("58.5")
        opened.keep_picture("work-quarantine")
        page.go_back()
        unknown.get_by_role("button", name=f"Make {device} a sensor").click()
        text = page.get_by_label("The sensor, as an item of sensors.yaml")
        text.fill(
            f"id: {device}\nfeed: native\nentity: {NOISY_PLACE}\ndevice: {device}\ninterval: PT1M\n"
            'observes:\n  - {property: noise_level, field: noise_level, unit: "dB[A]"}\n'
        )
        opened.keep_picture("work-devices")
        page.get_by_role("button", name="Add the sensor").click()
        replay = page.get_by_test_id("replay")
        expect(replay).to_have_attribute("data-done", "true", timeout=WAIT_MS)
        expect(unknown).to_have_count(0, timeout=WAIT_MS)
        opened.keep_picture("work-assigned")


def test_the_ledger_and_the_city_folder_can_be_read(
    running_system: RunningSystem, chromium: Chromium, administrator_key: str
) -> None:
    publish_noise(running_system, 63.25)
    with chromium.opened(running_system.http) as opened:
        opened.sign_in(administrator_key)
        page = open_part(opened, running_system, "ledger")
        expect(page.locator("li[data-holds]").first).to_have_attribute("data-holds", "true", timeout=WAIT_MS)
        expect(page.locator("tr[data-feed]").first).to_be_visible()
        opened.keep_picture("work-ledger")
        page = open_part(opened, running_system, "city")
        applied = page.get_by_test_id("applied")
        expect(applied).to_have_attribute("data-version", re.compile(r"\d+"), timeout=WAIT_MS)
        with page.expect_download() as download:
            page.get_by_role("button", name="Export").click()
        assert download.value.suggested_filename.endswith(".zip")
        opened.keep_picture("work-city")


def test_where_a_value_comes_from_is_read_down_to_the_message(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    publish_noise(running_system, 63.5)
    with chromium.opened(running_system.http) as opened:
        opened.sign_in(running_system.operator_key)
        page = open_part(opened, running_system, "provenance")
        page.get_by_label("Place", exact=True).fill("Overdie")
        page.get_by_label("Value", exact=True).select_option(label="Noise level")
        page.get_by_role("button", name="Show the origin").click()
        expect(page).to_have_url(re.compile(f"of={re.escape(NOISY_PLACE)}"))
        measured = page.locator(f"[data-provenance] [data-observation={NOISE_SENSOR}]").first
        expect(measured).to_contain_text("63.5", timeout=WAIT_MS)
        expect(measured.get_by_test_id("payload")).to_contain_text(re.compile(r'"noise_level": 63\.5\b'))
        opened.keep_picture("work-provenance")


def test_what_one_may_not_do_is_absent_or_explained(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with chromium.opened(running_system.http) as opened:
        page = open_part(opened, running_system, "rules")
        expect(page.get_by_test_id("rule-count")).to_be_visible()
        expect(page.get_by_role("button", name="New rule")).to_have_count(0)
        page = open_part(opened, running_system, "duty")
        expect(page.locator("section[data-part]")).to_contain_text("Sign in to see the roster.")
        expect(page.get_by_role("grid")).to_have_count(0)
        page = open_part(opened, running_system, "maintenance")
        expect(page.locator("section[data-part]")).to_contain_text("Sign in to change maintenance windows.")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_no_part_of_the_room_for_work_has_barriers(
    running_system: RunningSystem, chromium: Chromium, administrator_key: str, scheme: Scheme, size: str
) -> None:
    publish_values(running_system, "unknown-of-barriers", {"noise_level": 1.0})
    address = f"{running_system.http}/?view=work"
    with chromium.opened(address, size=SIZES[size], scheme=scheme) as opened:
        opened.sign_in(administrator_key)
        found = []
        for part in PARTS:
            page = open_part(opened, running_system, part)
            expect(page.get_by_text("Fetching …")).to_have_count(0, timeout=WAIT_MS)
            found += look(opened, f"work-{part}-{scheme}-{size}")
        page = open_part(opened, running_system, "rules", rule="no2-smog-2008")
        expect(page.get_by_label("Title in English")).to_be_visible(timeout=WAIT_MS)
        found += look(opened, f"work-rule-{scheme}-{size}")
        page = open_part(opened, running_system, "maintenance", window=".new")
        expect(page.get_by_label("First start")).to_be_visible(timeout=WAIT_MS)
        found += look(opened, f"work-window-{scheme}-{size}")
        assert found == []
