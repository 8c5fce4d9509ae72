"""The first load of a page over a slow line: bytes as they are sent, and the time until it can be used."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from tests.e2e.page.browser import SIZES, WAIT_MS, Chromium

BITS_A_SECOND = 1_600_000
LATENCY_MS = 150
"""The line of the targets: 1.6 Mbit/s, 150 ms to the server and back."""

_UPLOAD_BITS_A_SECOND = 750_000

_LIVE = "document.body.dataset.connection === 'live'"

PAGES: Mapping[str, tuple[str, tuple[int, int], Mapping[str, str]]] = MappingProxyType(
    {
        "operations room": (
            "/",
            SIZES["desk"],
            {
                "list": "document.querySelectorAll('[data-row]').length > 0",
                "live values": _LIVE,
                "map": "document.body.dataset.mapIdle === 'true'",
            },
        ),
        "public page": ("/openbaar.html", SIZES["phone"], {"live values": _LIVE}),
        "duty page": ("/duty.html", SIZES["phone"], {"usable": "document.querySelector('h1') !== null"}),
    }
)
"""Path, size of the window, and what is waited for, in the order in which it comes, as a script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """One thing that the page showed."""

    what: str
    after_s: float  #: from the request of the document
    sent_bytes: int  #: of all answers until then, with their headers


def measure_load(chromium: Chromium, base: str, page: str) -> list[Reached]:
    """Load a page of `PAGES` without a cache, and return when it showed what."""
    path, size, awaited = PAGES[page]
    with chromium.opened("about:blank", size=size) as opened:
        session = opened.page.context.new_cdp_session(opened.page)
        received: list[int] = []

        def add(event: dict[str, Any]) -> None:
            received.append(int(event["encodedDataLength"]))

        session.send("Network.enable")
        # The stream of events never finishes: its bytes come as data.
        session.on("Network.loadingFinished", add)
        session.send(
            "Network.emulateNetworkConditions",
            {
                "offline": False,
                "latency": LATENCY_MS,
                "downloadThroughput": BITS_A_SECOND / 8,
                "uploadThroughput": _UPLOAD_BITS_A_SECOND / 8,
            },
        )
        began = time.monotonic()
        opened.page.goto(f"{base}{path}", wait_until="commit")
        found = []
        for what, script in awaited.items():
            opened.page.wait_for_function(f"() => {script}", timeout=4 * WAIT_MS)
            after_s = round(time.monotonic() - began, 2)
            found.append(Reached(what=what, after_s=after_s, sent_bytes=sum(received)))
        return found
