"""`python -m tests.e2e.page.tour [FOLDER]`: pictures of every view for docs/how-to/operations-room.md.

It runs a system of its own with the simulated devices of Alkmaar. What is measured depends on the time at
which it runs; what is chosen, the sizes and the languages do not.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from playwright.sync_api import Page, expect

from tests.e2e.page.browser import ROOT, SIZES, WAIT_MS, OpenPage, running_chromium
from tests.e2e.page.devices import NOISY_PLACE, publish_flood
from tests.support.processes.running_system import RunningSystem
from tests.support.services.service_folder import make_service_folder
from tests.support.waiting import wait_until

FOLDER = ROOT / "docs/images/tour"

_LINK = re.compile(r"/v1/acknowledge/(\S+)")


def _choose_place(page: Page) -> None:
    page.locator(f'[data-row="{NOISY_PLACE}"]').click()
    expect(page.locator(f'[data-entity="{NOISY_PLACE}"]')).to_be_visible(timeout=WAIT_MS)


def _choose_alarm(page: Page) -> None:
    page.locator("[data-alarm]").first.click()
    # The chart of its window is drawn.
    expect(page.locator("[data-shown] [data-low]")).to_be_visible(timeout=WAIT_MS)


def _stay(_: Page) -> None:
    pass


STOPS: Mapping[str, tuple[str, tuple[int, int], Callable[[Page], None]]] = MappingProxyType(
    {
        "city": ("/", SIZES["desk"], _stay),
        "place": ("/?q=overdie", SIZES["desk"], _choose_place),
        "alarms": ("/?view=alarms", SIZES["desk"], _stay),
        "alarm": ("/?view=alarms", SIZES["desk"], _choose_alarm),
        "wall": ("/?view=wall", SIZES["wall"], _stay),
        "public": ("/openbaar?lang=en", SIZES["desk"], _stay),
        "public-place": ("/openbaar?lang=en", SIZES["phone"], _choose_place),
        "public-indicators": ("/openbaar?lang=en&part=indicators", SIZES["desk"], _stay),
        "public-sensors": ("/openbaar?lang=en&part=sensors", SIZES["desk"], _stay),
    }
)
"""Pictures by name: where, in which size, and what is done first."""


def take_tour(folder: Path) -> list[Path]:
    """Write the pictures into a folder and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    data = make_service_folder()
    system = RunningSystem(data, "--simulate")
    pictures: list[Path] = []

    def keep(opened: OpenPage, name: str) -> None:
        path = folder / f"{name}.png"
        opened.page.screenshot(path=path, animations="disabled")
        pictures.append(path)
        print(path, flush=True)  # noqa: T201 - the output of a command

    try:
        system.wait_ready()
        publish_flood(system, "polder-vroonermeer")
        messages = data / "messages.txt"
        wait_until(
            lambda: messages.is_file() and _LINK.search(messages.read_text()) is not None, "no message"
        )
        link = _LINK.search(messages.read_text())
        assert link is not None
        with running_chromium() as chromium:
            for name, (path, size, step) in STOPS.items():
                with chromium.opened(f"{system.http}{path}", size=size) as opened:
                    opened.wait_until_live(with_map="part=" not in path)
                    step(opened.page)
                    keep(opened, name)
            with chromium.opened(f"{system.http}/duty?lang=en#{link[1]}", size=SIZES["phone"]) as opened:
                expect(opened.page.get_by_role("button", name="Acknowledge")).to_be_visible(timeout=WAIT_MS)
                keep(opened, "duty")
        return pictures
    finally:
        system.stop()
        system.kill()
        shutil.rmtree(data)


if __name__ == "__main__":
    take_tour(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
