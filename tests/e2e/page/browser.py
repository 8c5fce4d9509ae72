"""A browser that opens the page, notes console errors, looks for barriers with axe, and takes pictures."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

ROOT = Path(__file__).parents[3]
CHROMIUM = "/usr/bin/chromium"
# Headless without a graphics card: WebGL by software.
FLAGS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--enable-unsafe-swiftshader",
    "--use-gl=angle",
    "--use-angle=swiftshader",
]
WAIT_MS = 30_000
AXE = ROOT / "web/node_modules/axe-core/axe.min.js"

Scheme: TypeAlias = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")

SIZES = {"phone": (390, 844), "desk": (1280, 800), "wall": (2560, 1440), "zoomed": (320, 256)}
"""Widths and heights in pixels; `zoomed` is 1280 by 1024 at 400 %."""

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
"""The tags of the rules of axe that the page keeps."""


class OpenPage:
    """A page in a browser with its console errors; those that a test expects are declared by it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._errors: list[str] = []
        self._expected: list[re.Pattern[str]] = []
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: self._errors.append(str(error)))
        page.on("console", lambda said: self._errors.append(said.text) if said.type == "error" else None)

    def expect_errors(self, pattern: str) -> None:
        """Allow console errors that match a pattern: a request that is refused, for example, is one."""
        self._expected.append(re.compile(pattern))

    @property
    def unexpected_errors(self) -> list[str]:
        """The console errors that no test declared."""
        return [
            error for error in self._errors if not any(pattern.search(error) for pattern in self._expected)
        ]

    def wait_until_live(self, *, with_map: bool = True) -> None:
        """Return once the first snapshot is complete, and the map is drawn."""
        body = self.page.locator("body")
        expect(body).to_have_attribute("data-connection", "live", timeout=WAIT_MS)
        if with_map:
            expect(body).to_have_attribute("data-map-idle", "true", timeout=WAIT_MS)

    def barriers(self) -> list[str]:
        """Return the violations that axe finds, each as rule, element and reason."""
        if not self.page.evaluate("'axe' in window"):
            # As a call of the debugger, which the Content-Security-Policy of the page does not stop.
            self.page.evaluate(AXE.read_text())
        found: dict[str, Any] = self.page.evaluate(
            "(tags) => axe.run(document, {runOnly: tags, resultTypes: ['violations']})",
            RULES,
        )
        return [
            f"{violation['id']}: {node['html'][:160]} ({node['failureSummary']})"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def scrolls_sideways(self) -> bool:
        """Whether the page is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))

    def small_targets(self) -> list[str]:
        """Return what can be pressed and is smaller than 24 pixels, other than links in a sentence."""
        found: list[str] = self.page.evaluate(
            """() => [...document.querySelectorAll("button, input, select, summary, a[href]")]
                .map(one => [one.closest("label") ?? one, one])
                .filter(([area]) => area.checkVisibility() && area.getBoundingClientRect().bottom > 0)
                .filter(([area]) => Math.min(area.offsetWidth, area.offsetHeight) < 24)
                .map(([area, one]) => `${one.outerHTML.slice(0, 120)} is `
                    + `${area.offsetWidth} by ${area.offsetHeight}`)"""
        )
        return found

    def sign_in(self, key: str) -> None:
        """Sign in with an API key."""
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_label("API key").fill(key)
        self.page.keyboard.press("Enter")
        expect(self.page.get_by_test_id("signed-in")).to_contain_text("Signed in")

    def count_presses(self) -> None:
        """Count clicks and keys of the reader from now on."""
        self.page.evaluate(
            """() => {
                window.presses = {clicks: 0, keys: 0};
                const isClick = e => e.isTrusted && e.detail > 0;
                addEventListener("click", e => { if (isClick(e)) presses.clicks += 1 }, true);
                addEventListener("keydown", e => { if (e.isTrusted) presses.keys += 1 }, true); }"""
        )

    def presses(self) -> dict[str, int]:
        """Return the counted clicks and keys."""
        counted: dict[str, int] = self.page.evaluate("window.presses")
        return counted

    def keep_picture(self, name: str) -> None:
        """Take a screenshot, if PAGE_SCREENSHOTS names a folder for them."""
        folder = os.environ.get("PAGE_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png")


class Chromium:
    """One browser for many pages, each with storage of its own."""

    def __init__(self, playwright: Playwright) -> None:
        self._browser: Browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)

    def close(self) -> None:
        """End the browser."""
        self._browser.close()

    @contextmanager
    def opened(
        self,
        url: str,
        *,
        size: tuple[int, int] = SIZES["desk"],
        scheme: Scheme = "light",
        chosen_language: str | None = "en",
        own_clock: bool = False,
    ) -> Iterator[OpenPage]:
        """Open the page, for a reader who chose a language before; fail if its console had unexpected errors.

        Without a choice, and when `url` is about:blank, the page is in the language of the city. With a clock
        of its own, time in the page can be moved with `page.clock`.
        """
        width, height = size
        context = self._browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=scheme,
            locale="en-GB",
            storage_state={"origins": [origin]} if (origin := _origin_with(url, chosen_language)) else None,
        )
        opened = OpenPage(context.new_page())
        if own_clock:
            opened.page.clock.install()
        opened.page.goto(url)
        try:
            yield opened
            assert not opened.unexpected_errors, opened.unexpected_errors
        finally:
            context.close()


def _origin_with(url: str, language: str | None) -> Any:
    """Return the storage of a page whose reader chose a language; None if there is nothing to store."""
    parts = urlsplit(url)
    if language is None or not parts.netloc:
        return None
    choice = {"name": "livetwin-language", "value": language}
    return {"origin": f"{parts.scheme}://{parts.netloc}", "localStorage": [choice]}


@contextmanager
def running_chromium() -> Iterator[Chromium]:
    """Yield a browser."""
    with sync_playwright() as playwright:
        chromium = Chromium(playwright)
        try:
            yield chromium
        finally:
            chromium.close()
