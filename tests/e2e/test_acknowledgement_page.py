"""The page of an acknowledgement link on a phone: the button is in the first screen with many alarms, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, sync_playwright

from api.access.rights import rights_of_role
from api.alarms.links.link_page import LinkPage
from api.alarms.links.linked_incident import LinkedAlarms, LinkedIncident
from api.live.live_view import LiveView
from tests.e2e.page.browser import CHROMIUM, FLAGS
from tests.support.cities.alarm_city import alarm_city
from tests.support.payloads.alarm_events import alarm_event, incident_event
from twin.alarms.rules.operand import Operand
from twin.alarms.rules.rule import Level, Rule, ThresholdCondition
from twin.alarms.severity import Severity
from twin.model.bilingual_text import BilingualText
from twin.model.duty import Contact

pytestmark = pytest.mark.browser

WIDTH, HEIGHT = 390, 844
RULE = Rule(
    id="high-water",
    title=BilingualText("High water", "Hoog water"),
    theme="water",
    condition=ThresholdCondition(
        operand=Operand("water_level"), direction="above", levels=(Level(Severity.MINOR, -0.3, -0.35),)
    ),
    guidance=BilingualText("Open the sluice. " * 8, "Open de sluis. " * 8),
)


@pytest.fixture(scope="module")
def phone() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        browser.close()


def document(count: int) -> str:
    alarms = [
        alarm_event(
            entity=f"city.canal-{number}",
            severity=Severity.CRITICAL if number == count - 1 else Severity.MINOR,
            sentence_en="Level is high here. ",
            sentence_nl=f"De waterstand bij gemaal {number} is hoger dan de grens van dit peilvak.",
        )
        for number in range(count)
    ]
    city = alarm_city([RULE])
    linked = LinkedIncident(incident_event(*alarms), LinkedAlarms(tuple(alarms[::-1]), ()), None, None)
    page = LinkPage(
        Contact(id="water", name="Duty officer water"), city, LiveView(city), rights_of_role("operator")
    )
    return page.render(linked, None)


@pytest.mark.parametrize("count", [1, 22])
def test_the_worst_alarm_and_the_button_are_in_the_first_screen_of_a_phone(phone: Page, count: int) -> None:
    html = document(count)
    assert len(html.encode()) < 30_000
    phone.set_content(html)
    button = phone.get_by_role("button").bounding_box()
    assert button is not None
    assert button["y"] >= HEIGHT / 2, "within reach of the thumb"
    assert button["y"] + button["height"] <= HEIGHT
    assert button["height"] >= 56
    assert button["width"] >= 0.8 * WIDTH
    worst = phone.get_by_text(f"gemaal {count - 1} ").bounding_box()
    assert worst is not None
    assert worst["y"] < HEIGHT / 3
    assert phone.evaluate("document.documentElement.scrollWidth") <= WIDTH
    phone.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    last, button = phone.get_by_role("link").last.bounding_box(), phone.get_by_role("button").bounding_box()
    assert last is not None
    assert button is not None
    assert last["y"] + last["height"] <= button["y"], "the button covers nothing at the end of the page"
