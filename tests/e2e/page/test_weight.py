"""What the first load of the page costs: bytes, nothing from elsewhere, and no jumps."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.e2e.page.browser import Chromium
from tests.e2e.page.devices import RunningSystem

pytestmark = [pytest.mark.browser, pytest.mark.embedded]

FIRST_LOAD_BYTES_MAX = 350_000
"""Of the page's own files as they are sent, until the map is drawn."""

LIST_BYTES_MAX = 80_000
"""Of these, what comes before the list is live."""

LAYOUT_SHIFT_MAX = 0.02
"""Cumulative layout shift, as browsers measure it."""


def test_the_first_load_is_small_and_does_not_jump(running_system: RunningSystem, chromium: Chromium) -> None:
    with chromium.opened("about:blank") as opened:
        page = opened.page
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        addresses: dict[str, str] = {}
        sizes: dict[str, int] = {}
        session.on(
            "Network.responseReceived", lambda e: addresses.update({e["requestId"]: e["response"]["url"]})
        )
        session.on(
            "Network.loadingFinished", lambda e: sizes.update({e["requestId"]: e["encodedDataLength"]})
        )
        page.add_init_script(
            "window.shift = 0; new PerformanceObserver((list) => { for (const one of list.getEntries())"
            " if (!one.hadRecentInput) window.shift += one.value; })"
            ".observe({type: 'layout-shift', buffered: true})"
        )
        page.goto(running_system.http)
        opened.wait_until_live()
        page.wait_for_load_state("load")
        own = urlsplit(running_system.http).netloc
        assert {urlsplit(address).netloc for address in addresses.values()} <= {own, ""}
        files = {
            urlsplit(addresses[request]).path: size
            for request, size in sizes.items()
            if urlsplit(addresses[request]).path.endswith((".js", ".css", ".html", "/", ".svg"))
        }
        map_files = {path: size for path, size in files.items() if "map" in path.lower() or "tile" in path}
        assert map_files, files
        assert sum(files.values()) < FIRST_LOAD_BYTES_MAX, files
        assert sum(files.values()) - sum(map_files.values()) < LIST_BYTES_MAX, files
        assert page.evaluate("window.shift") < LAYOUT_SHIFT_MAX
