"""The alarms of a control room in a browser: the list, actions on one and on many, the card, the record."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from playwright.sync_api import Route, expect

from tests.e2e.page.browser import ROOT, SCHEMES, SIZES, WAIT_MS, Chromium, OpenPage, Scheme
from tests.e2e.page.devices import (
    NOISE_SENSOR,
    NOISY_PLACE,
    RunningSystem,
    publish_battery,
    publish_noise,
    rules_in_force,
    standing,
)
from tests.e2e.page.test_barriers import look
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.embedded]

RULE = "loud-test"
ALARM = f"{RULE}~{NOISY_PLACE}"
LOUD: dict[str, Any] = {
    "id": RULE,
    "title": {"en": "Loud", "nl": "Luid"},
    "theme": "environment",
    "select": {"entities": [NOISY_PLACE]},
    "when": {"value": "noise_level", "above": {"minor": 80, "major": 90}, "deadband": 5},
    "guidance": {"en": "Look for works nearby.", "nl": "Kijk of er werk in de buurt is."},
}

MANY = "battery-test"
"""The cause of 28 alarms: two rules on fourteen places."""


def battery_rules(devices: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{MANY}-{severity}",
            "title": {"en": "Battery", "nl": "Batterij"},
            "theme": "device",
            "select": {"entities": sorted(devices.values())},
            "when": {"value": "battery_level", "below": 12, "severity": severity},
            "cause": MANY,
            "incidentArea": "Municipality",
        }
        for severity in ("minor", "warning")
    ]


def air_devices(count: int) -> dict[str, str]:
    """Return devices of air sensors with their entities, each of another entity."""
    sensors = yaml.safe_load((Path(ROOT) / "cities/alkmaar/sensors.yaml").read_text())["sensors"]
    found: dict[str, str] = {}
    for one in sensors:
        has_battery = any(each["property"] == "battery_level" for each in one.get("observes", []))
        if one["id"].startswith("aq-") and has_battery and one["entity"] not in found.values():
            found[one["device"]] = one["entity"]
    assert len(found) >= count
    return dict(list(found.items())[:count])


@contextmanager
def loud_alarm(system: RunningSystem, rule: dict[str, Any] = LOUD) -> Iterator[None]:
    """Raise the alarm of a rule, `ALARM`; it is gone afterwards."""
    with rules_in_force(system, rule):
        raise_loud(system, f"{rule['id']}~{NOISY_PLACE}")
        yield


def raise_loud(system: RunningSystem, alarm: str = ALARM) -> None:
    def is_raised() -> bool:
        publish_noise(system, 95.0)
        return alarm in {one["id"] for one in standing(system)}

    wait_until(is_raised, lambda: standing(system))


@contextmanager
def many_alarms(system: RunningSystem) -> Iterator[set[str]]:
    """Raise 28 alarms of one cause; yield their ids."""
    devices = air_devices(14)
    rules = battery_rules(devices)
    expected = {f"{rule['id']}~{entity}" for rule in rules for entity in devices.values()}
    with rules_in_force(system, *rules):

        def are_raised() -> bool:
            publish_battery(system, devices, 10.0)
            return expected <= {one["id"] for one in standing(system)}

        wait_until(are_raised, lambda: sorted(one["id"] for one in standing(system)))
        yield expected


def open_list(opened: OpenPage) -> None:
    opened.wait_until_live(with_map=False)
    opened.page.get_by_role("link", name="Alarms").click()
    expect(opened.page.get_by_role("grid")).to_be_visible(timeout=WAIT_MS)


def test_a_new_alarm_is_understood_and_acknowledged_with_three_clicks(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with rules_in_force(running_system, LOUD), chromium.opened(running_system.http) as opened:
        page = opened.page
        opened.wait_until_live()
        opened.sign_in(running_system.operator_key)
        raise_loud(running_system)
        expect(page.locator("#alarm-news")).to_contain_text("Major alarm", timeout=WAIT_MS)
        expect(page).to_have_title(re.compile(r"^\(\d+\)"))
        expect(page.locator("link[rel=icon]")).to_have_attribute("href", re.compile("^data:image/svg"))
        expect(page.locator("#map")).not_to_have_attribute("data-alarms", "0")
        opened.count_presses()
        page.get_by_role("link", name="Alarms").click()
        page.locator(f'[data-alarm="{ALARM}"]').click()
        card = page.locator(f'[data-shown="{ALARM}"]')
        expect(card.locator("figure .summary")).to_contain_text("highest", timeout=WAIT_MS)
        expect(card.locator("figure")).to_have_attribute("data-levels", "2")
        plot = card.locator("figure .plot")
        # Around its values, not from zero; other tests of the shared system publish levels from 40 dB(A) on.
        expect(plot).to_have_attribute("data-low", re.compile(r"^[4-8]\d(\.|$)"), timeout=WAIT_MS)
        expect(plot).to_have_attribute("data-high", re.compile(r"^9\d"))
        expect(card.get_by_text("Look for works nearby.")).to_be_visible()
        expect(card.get_by_test_id("value-now")).to_have_text("95\u202fdB(A)")
        expect(card.get_by_text("Major: from 90\u202fdB(A), over below 85\u202fdB(A)")).to_be_visible()
        opened.keep_picture("alarm-card")
        card.get_by_role("button", name="Acknowledge").click()
        expect(card).to_have_attribute("data-state", "acknowledged", timeout=WAIT_MS)
        assert opened.presses()["clicks"] <= 3


def test_a_new_alarm_is_understood_and_acknowledged_with_five_keys(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with loud_alarm(running_system), chromium.opened(running_system.http) as opened:
        page = opened.page
        opened.wait_until_live()
        opened.sign_in(running_system.operator_key)
        opened.count_presses()
        # Other alarms of the shared system may wait: the filter of the list leaves them out.
        page.evaluate(
            "history.replaceState(null, '', '?alarms.q=loud'); dispatchEvent(new Event('popstate'))"
        )
        page.keyboard.press("F8")
        expect(page.locator(f'[data-alarm="{ALARM}"]')).to_be_focused(timeout=WAIT_MS)
        page.keyboard.press("Enter")
        card = page.locator(f'[data-shown="{ALARM}"]')
        expect(card).to_be_focused()
        expect(card.get_by_text("Look for works nearby.")).to_be_visible(timeout=WAIT_MS)
        page.keyboard.press("a")
        expect(card).to_have_attribute("data-state", "acknowledged", timeout=WAIT_MS)
        assert opened.presses()["keys"] <= 5
        expect(card.get_by_text("No other alarm waits.")).to_be_visible()
        page.keyboard.press("Escape")
        expect(card).to_have_count(0)
        expect(page.locator(f'[data-alarm="{ALARM}"]')).to_be_focused()


def test_28_alarms_of_one_cause_are_acknowledged_with_four_clicks(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with chromium.opened(running_system.http) as opened:
        page = opened.page
        opened.wait_until_live()
        opened.sign_in(running_system.operator_key)
        with many_alarms(running_system) as ids:
            opened.count_presses()
            page.get_by_role("link", name="Alarms").click()
            expect(page.get_by_test_id("flood")).to_contain_text("groups them by cause", timeout=WAIT_MS)
            group = page.locator(f'[data-group="{MANY}~"]')
            expect(group.locator("[data-alarm]")).to_have_count(len(ids))
            opened.keep_picture("alarm-flood")
            group.get_by_label(f"Select all {len(ids)}").check()
            page.get_by_role("button", name="Acknowledge").click()
            progress = page.get_by_test_id("alarm-progress")
            expect(progress).to_contain_text(f"Acknowledge: done for {len(ids)}.", timeout=WAIT_MS)
            waiting = group.locator('[data-state="unacknowledged"]')
            expect(waiting).to_have_count(0, timeout=WAIT_MS)
            assert opened.presses()["clicks"] <= 4


def test_what_fails_stays_selected_with_its_reason(running_system: RunningSystem, chromium: Chromium) -> None:
    with many_alarms(running_system) as ids, chromium.opened(running_system.http) as opened:
        page = opened.page
        open_list(opened)
        opened.sign_in(running_system.operator_key)
        refused = min(ids)

        def refuse(route: Route) -> None:
            problem = {"title": "Conflict", "status": 409, "detail": "The alarm is unchanged: test."}
            route.fulfill(status=409, content_type="application/problem+json", body=json.dumps(problem))

        opened.expect_errors("409")
        page.route(lambda url: unquote(urlsplit(url).path) == f"/v1/alarms/{refused}/_acknowledge", refuse)
        row = page.locator(f'[data-alarm="{refused}"]')
        first = page.locator(f'[data-alarm="{max(ids)}"]')
        row.get_by_role("checkbox").check()
        first.get_by_role("checkbox").check()
        page.get_by_role("button", name="Acknowledge").click()
        expect(page.get_by_test_id("alarm-progress")).to_contain_text("1 failed", timeout=WAIT_MS)
        expect(row).to_contain_text("The alarm is unchanged: test")
        expect(row).to_have_attribute("aria-selected", "true")
        expect(row).to_be_focused()
        expect(first).to_have_attribute("aria-selected", "false")
        expect(first).to_have_attribute("data-state", "acknowledged", timeout=WAIT_MS)


def test_the_list_is_used_with_the_keyboard_and_shelving_needs_a_reason_and_an_end(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with (
        loud_alarm(running_system),
        chromium.opened(f"{running_system.http}/?view=alarms&alarms.q=loud") as opened,
    ):
        page = opened.page
        opened.wait_until_live(with_map=False)
        opened.sign_in(running_system.operator_key)
        row = page.locator(f'[data-alarm="{ALARM}"]')
        row.focus()
        page.keyboard.press("Space")
        expect(row).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Escape")
        expect(row).to_have_attribute("aria-selected", "false")
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_contain_text("To the next alarm that waits")
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(row).to_be_focused()
        page.keyboard.press("s")
        form = page.locator('form[data-action="shelve"]')
        expect(form.get_by_label("Until the end of")).to_be_focused()
        form.get_by_label("Reason").fill("Works until noon")
        page.keyboard.press("Enter")
        # Without an end it is not sent.
        expect(form).to_be_visible()
        form.get_by_label("Until the end of").select_option("PT1H")
        form.get_by_label("Reason").press("Enter")
        expect(row).to_have_attribute("data-state", "shelved", timeout=WAIT_MS)
        expect(row).to_contain_text("Shelved until")
        row.focus()
        page.keyboard.press("u")
        expect(row).to_have_attribute("data-state", "unacknowledged", timeout=WAIT_MS)
        row.focus()
        page.keyboard.press("g")
        page.get_by_label("Name of who takes it").fill("Water desk")
        page.keyboard.press("Enter")
        expect(row).to_contain_text("Water desk", timeout=WAIT_MS)
        row.focus()
        page.keyboard.press("Enter")
        card = page.locator(f'[data-shown="{ALARM}"]')
        expect(card.locator(".events")).to_contain_text("Works until noon", timeout=WAIT_MS)
        card.get_by_role("button", name="Comment").click()
        page.get_by_label("Comment").fill("The works have a permit")
        page.keyboard.press("Enter")
        expect(card.locator(".events")).to_contain_text("The works have a permit", timeout=WAIT_MS)


def test_a_place_opens_beside_its_alarm_and_escape_closes_the_last(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with loud_alarm(running_system), chromium.opened(running_system.http) as opened:
        page = opened.page
        open_list(opened)
        page.locator(f'[data-alarm="{ALARM}"]').click()
        card = page.locator(f'[data-shown="{ALARM}"]')
        card.get_by_role("button", name="Overdie", exact=True).click()
        panel = page.locator(f'[data-entity="{NOISY_PLACE}"]')
        expect(panel).to_be_focused()
        expect(card).to_be_visible()
        opened.keep_picture("alarm-and-place")
        page.keyboard.press("Escape")
        expect(panel).to_have_count(0)
        expect(card.locator(f'[data-opens="{NOISY_PLACE}"]')).to_be_focused()
        page.keyboard.press("Escape")
        expect(card).to_have_count(0)


def test_the_message_behind_an_alarm_is_read_in_two_clicks(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with loud_alarm(running_system), chromium.opened(running_system.http) as opened:
        page = opened.page
        open_list(opened)
        opened.sign_in(running_system.operator_key)
        opened.count_presses()
        page.locator(f'[data-alarm="{ALARM}"]').click()
        card = page.locator(f'[data-shown="{ALARM}"]')
        card.get_by_role("button", name=f"Message of {NOISE_SENSOR}").first.click()
        message = card.get_by_role("region", name="Message as JSON").first
        expect(message).to_contain_text('"noise_level": 95', timeout=WAIT_MS)
        assert opened.presses()["clicks"] <= 2
        opened.keep_picture("alarm-message")


def test_filters_are_in_the_address_and_have_names(running_system: RunningSystem, chromium: Chromium) -> None:
    with loud_alarm(running_system), chromium.opened(running_system.http) as opened:
        page = opened.page
        open_list(opened)
        row = page.locator(f'[data-alarm="{ALARM}"]')
        page.locator("summary", has_text="Filters").click()
        page.get_by_label("Minor").check()
        expect(row).to_have_count(0)
        page.get_by_label("Major").check()
        page.get_by_label("Search in alarms").fill("loud")
        expect(row).to_be_visible()
        expect(page).to_have_url(re.compile(r"alarms\.q=loud&alarms\.priority=major,minor"))
        page.get_by_label("Save these filters as").fill("mine")
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Clear filters").click()
        expect(page).not_to_have_url(re.compile(r"alarms\.q"))
        page.reload()
        opened.wait_until_live(with_map=False)
        page.locator("summary", has_text="Filters").click()
        page.get_by_role("button", name="Use mine").click()
        expect(page.get_by_label("Search in alarms")).to_have_value("loud")
        page.get_by_role("columnheader", name="Age").get_by_role("button").click()
        expect(page.get_by_role("columnheader", name="Age")).to_have_attribute("aria-sort", "ascending")
        page.get_by_label("Group by").select_option("area")
        expect(page).to_have_url(re.compile(r"alarms\.group=area"))
        expect(row).to_be_visible()


def test_a_new_alarm_sounds_and_can_be_muted_for_a_time(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    with (
        rules_in_force(running_system, LOUD),
        chromium.opened(f"{running_system.http}/?view=alarms") as opened,
    ):
        page = opened.page
        opened.wait_until_live(with_map=False)
        sound = page.get_by_test_id("sound")
        sound.get_by_role("button", name="Turn sound on").click()
        raise_loud(running_system)
        expect(sound).to_have_attribute("data-sounded", "major", timeout=WAIT_MS)
        sound.get_by_label("Mute for").select_option("15")
        sound.get_by_role("button", name="Mute").click()
        expect(sound).to_contain_text(re.compile(r"Muted until \d\d:\d\d"))
        sound.get_by_role("button", name="Sound again now").click()
        expect(sound).to_contain_text("Sound is on")
        sound.get_by_role("button", name="Turn sound off").click()
        expect(sound).to_contain_text("Sound is off")


def test_while_the_past_is_shown_the_card_is_of_that_time_and_nothing_is_done(
    running_system: RunningSystem, chromium: Chromium
) -> None:
    # A rule of its own: the events of earlier alarms of a rule are in its cards too.
    alarm = f"loud-then~{NOISY_PLACE}"
    with (
        loud_alarm(running_system, LOUD | {"id": "loud-then"}),
        chromium.opened(running_system.http) as opened,
    ):
        page = opened.page
        open_list(opened)
        opened.sign_in(running_system.operator_key)
        page.locator(f'[data-alarm="{alarm}"]').click()
        card = page.locator(f'[data-shown="{alarm}"]')
        expect(card.get_by_role("button", name="Acknowledge")).to_be_visible(timeout=WAIT_MS)
        events = card.locator(".events li", has_text="acknowledged")
        expect(card.locator(".events li").first).to_be_visible()
        expect(events).to_have_count(0)
        moment = page.evaluate("new Date().toISOString()")
        card.get_by_role("button", name="Acknowledge").click()
        expect(events).to_have_count(1, timeout=WAIT_MS)
        page.evaluate(
            "(at) => { history.pushState(null, '', location.search + '&at=' + at);"
            " dispatchEvent(new Event('popstate')) }",
            moment,
        )
        expect(events).to_have_count(0, timeout=WAIT_MS)
        expect(card.get_by_role("button", name="Acknowledge")).to_have_count(0)
        expect(card).to_contain_text("Go back to now")


def test_the_record_and_the_statistics_of_alarms(running_system: RunningSystem, chromium: Chromium) -> None:
    with loud_alarm(running_system), chromium.opened(running_system.http) as opened:
        page = opened.page
        open_list(opened)
        page.get_by_role("link", name="History").click()
        count = page.get_by_test_id("record-count")
        expect(count).to_have_attribute("data-count", re.compile(r"\d+"), timeout=WAIT_MS)
        page.get_by_label("Period").select_option("P7D")
        expect(page).to_have_url(re.compile(r"alarms\.for=P7D"))
        opened.keep_picture("alarm-record")
        page.get_by_role("link", name="Statistics").click()
        expect(page.get_by_text("The statistics are for operators.")).to_be_visible()
        opened.sign_in(running_system.operator_key)
        statistics = page.get_by_test_id("statistics")
        expect(statistics).to_have_attribute("data-ready", "true", timeout=WAIT_MS)
        expect(statistics.locator('[data-figure="annunciated"]')).to_contain_text(re.compile(r"[1-9]"))
        expect(statistics.locator('[data-figure="flooded"]')).to_contain_text("at most 1\u202f%")
        expect(statistics.get_by_role("heading", name="Bad actors")).to_be_visible()
        opened.keep_picture("alarm-statistics")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_each_state_of_the_alarms_is_without_barriers(
    running_system: RunningSystem, chromium: Chromium, scheme: Scheme, size: str
) -> None:
    with (
        loud_alarm(running_system),
        chromium.opened(running_system.http, size=SIZES[size], scheme=scheme) as opened,
    ):
        page = opened.page
        open_list(opened)
        opened.sign_in(running_system.operator_key)
        found: list[str] = []

        def looked(name: str) -> None:
            found.extend(look(opened, f"{name}-{scheme}-{size}"))

        page.locator("summary", has_text="Filters").click()
        looked("alarm-list")
        page.get_by_role("button", name="Keys").click()
        looked("alarm-keys")
        page.keyboard.press("Escape")
        row = page.locator(f'[data-alarm="{ALARM}"]')
        row.get_by_role("checkbox").check()
        page.get_by_role("button", name="Shelve").click()
        expect(page.locator('form[data-action="shelve"]')).to_be_visible()
        looked("alarm-shelve")
        page.keyboard.press("Escape")
        row.press("Enter")
        card = page.locator(f'[data-shown="{ALARM}"]')
        expect(card.locator("figure .summary")).to_contain_text("highest", timeout=WAIT_MS)
        card.get_by_role("button", name="Message of").first.click()
        expect(card.get_by_role("region", name="Message as JSON").first).to_be_visible(timeout=WAIT_MS)
        looked("alarm-card")
        card.get_by_role("button", name="Overdie", exact=True).click()
        expect(page.locator(f'[data-entity="{NOISY_PLACE}"]')).to_be_visible()
        looked("alarm-place")
        page.keyboard.press("Escape")
        page.keyboard.press("Escape")
        page.get_by_role("link", name="History").click()
        expect(page.get_by_test_id("record-count")).to_have_attribute(
            "data-count", re.compile(r"\d+"), timeout=WAIT_MS
        )
        looked("alarm-record")
        page.get_by_role("link", name="Statistics").click()
        expect(page.get_by_test_id("statistics")).to_have_attribute("data-ready", "true", timeout=WAIT_MS)
        looked("alarm-statistics")
        assert found == []
