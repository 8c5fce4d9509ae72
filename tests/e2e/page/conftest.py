"""One system and one browser for the tests of the page; each test has a page of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.page.browser import Chromium, running_chromium


@pytest.fixture(scope="package")
def chromium() -> Iterator[Chromium]:
    """Yield the browser that the tests of the page share."""
    with running_chromium() as browser:
        yield browser
