"""Duty on the phone: a link opens its incident, and an acknowledgement counts without a connection, too."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.page.browser import SCHEMES, SIZES, WAIT_MS, Chromium, Scheme
from tests.e2e.page.devices import publish_flood
from tests.e2e.page.test_barriers import look
from tests.support.processes.running_system import RunningSystem
from tests.support.services.service_folder import make_service_folder
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.embedded]

PHONE_BYTES_MAX = 30_000
"""Of everything that the phone gets until the incident can be acknowledged."""

AFTERWARDS = {"/page.json", "/duty-worker.js"}
"""What comes when the incident is there: names of values, and the service worker."""

_LINK = re.compile(r"/v1/acknowledge/(\S+)")


@pytest.fixture(scope="module")
def alerted_system() -> Iterator[tuple[RunningSystem, str]]:
    """Yield a system whose duty officer has got a message, and the token of its link.

    A system of its own: in one with an incident, the next message waits for minutes.
    """
    folder = make_service_folder()
    system = RunningSystem(folder, "--no-simulate")
    try:
        system.wait_ready()
        publish_flood(system, "polder-vroonermeer")
        messages = folder / "messages.txt"

        def told() -> bool:
            return messages.is_file() and _LINK.search(messages.read_text()) is not None

        wait_until(told, lambda: "no message with a link", timeout_s=60)
        found = _LINK.search(messages.read_text())
        assert found is not None
        yield system, found[1]
        assert system.stop() == 0, system.output
    finally:
        system.kill()
        shutil.rmtree(folder)


def test_a_link_opens_its_incident_and_acknowledges_it_without_a_connection(
    alerted_system: tuple[RunningSystem, str], chromium: Chromium
) -> None:
    system, token = alerted_system
    with chromium.opened("about:blank", size=SIZES["phone"]) as opened:
        page = opened.page
        width, height = SIZES["phone"]
        addresses: dict[str, str] = {}
        sizes: dict[str, int] = {}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on(
            "Network.responseReceived", lambda e: addresses.update({e["requestId"]: e["response"]["url"]})
        )
        session.on(
            "Network.loadingFinished", lambda e: sizes.update({e["requestId"]: e["encodedDataLength"]})
        )
        page.goto(f"{system.http}/duty#{token}")
        button = page.get_by_role("button", name="Bevestigen: ik pak dit op")
        expect(button).to_be_visible()
        page.wait_for_load_state("networkidle")
        transferred = {urlsplit(addresses[request]).path: size for request, size in sizes.items()}
        needed = {path: size for path, size in transferred.items() if path not in AFTERWARDS}
        assert 0 < sum(needed.values()) < PHONE_BYTES_MAX, transferred
        # What is worst and what to do come first; the button is where the thumb is.
        expect(page.get_by_role("heading", level=1)).to_contain_text("Polder Vroonermeer")
        expect(page.locator(".guidance")).to_contain_text(re.compile("hoogheemraadschap|gema"))
        box = button.bounding_box()
        assert box is not None
        assert box["y"] >= height / 2
        assert box["y"] + box["height"] <= height
        assert box["height"] >= 56
        assert box["width"] >= 0.8 * width
        kept = cached_paths(page)
        assert "/duty.html" in kept
        assert not [path for path in kept if path.startswith("/v1/") or path == "/page.json"]
        opened.keep_picture("duty-incident")

        page.context.set_offline(True)
        opened.expect_errors("ERR_INTERNET_DISCONNECTED")
        button.click()
        outcome = page.get_by_test_id("outcome")
        expect(outcome).to_contain_text("Bewaard op deze telefoon", timeout=WAIT_MS)
        opened.keep_picture("duty-kept")
        # Closed and opened again without a connection, the phone still has it.
        page.reload()
        expect(outcome).to_contain_text("Bewaard op deze telefoon", timeout=WAIT_MS)

        page.context.set_offline(False)
        expect(outcome).to_have_attribute("data-outcome", "acknowledged", timeout=WAIT_MS)
        expect(outcome).to_contain_text("Uw bevestiging is vastgelegd")
        expect(button).to_have_count(0)
        opened.keep_picture("duty-acknowledged")
        # The language can be changed, and stays.
        page.get_by_role("button", name="English").click()
        expect(page.get_by_role("heading", name="What to do")).to_be_visible()


def cached_paths(page: Page) -> list[str]:
    """Return the paths of what the service worker keeps, once it is there."""
    page.evaluate("navigator.serviceWorker.ready")
    kept: list[str] = page.evaluate(
        "async () => (await Promise.all((await caches.keys()).map(async name => "
        "(await (await caches.open(name)).keys()).map(one => new URL(one.url).pathname)))).flat()"
    )
    return kept


def test_a_link_that_is_not_of_this_server_is_explained(
    alerted_system: tuple[RunningSystem, str], chromium: Chromium
) -> None:
    system, _ = alerted_system
    with chromium.opened("about:blank", size=SIZES["phone"]) as opened:
        opened.expect_errors("404|410")
        paths: list[str] = []
        opened.page.on("request", lambda request: paths.append(urlsplit(request.url).path))
        opened.page.goto(f"{system.http}/duty?lang=en#notalinkofthisserver")
        expect(opened.page.get_by_role("alert")).to_contain_text("not one of this server")
        expect(opened.page.get_by_role("button", name="Acknowledge")).to_have_count(0)
        # The token is in the fragment: as the address of a page it would be in the logs of proxies.
        assert {path for path in paths if "notalink" in path} == {"/v1/acknowledge/notalinkofthisserver"}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("size", SIZES)
def test_each_state_of_the_duty_page_is_without_barriers(
    alerted_system: tuple[RunningSystem, str], chromium: Chromium, scheme: Scheme, size: str
) -> None:
    system, token = alerted_system
    # In the language of the contact.
    with chromium.opened(
        f"{system.http}/duty#{token}", size=SIZES[size], scheme=scheme, chosen_language=None
    ) as opened:
        page = opened.page
        expect(page.get_by_role("heading", level=1)).to_contain_text("Polder Vroonermeer")
        found = look(opened, f"duty-{scheme}-{size}")
        page.get_by_role("link", name="Berichten op deze telefoon").click()
        expect(page.get_by_label("API-sleutel")).to_be_visible()
        found += look(opened, f"messages-{scheme}-{size}")
        page.get_by_role("link", name="Naar de piketpagina").click()
        expect(page.get_by_text("Open de link in uw bericht")).to_be_visible()
        found += look(opened, f"duty-empty-{scheme}-{size}")
        assert found == []


def test_the_next_shift_reads_what_stands_and_who_was_told(
    alerted_system: tuple[RunningSystem, str], chromium: Chromium
) -> None:
    system, _ = alerted_system
    with chromium.opened(f"{system.http}/?view=work&part=handover") as opened:
        page = opened.page
        opened.wait_until_live(with_map=False)
        opened.sign_in(system.operator_key)
        sheet = page.get_by_test_id("hand-over")
        expect(sheet).to_contain_text("Water rises fast", timeout=WAIT_MS)
        expect(sheet).to_contain_text("High water")
        expect(sheet.get_by_role("textbox")).to_have_count(1)
        opened.keep_picture("work-handover")
        page.get_by_role("link", name="Messages").click()
        message = page.locator("tr[data-message]").first
        expect(message).to_have_attribute("data-outcome", "sent", timeout=WAIT_MS)
        expect(message).to_contain_text("duty officer water")
        opened.keep_picture("work-messages")
