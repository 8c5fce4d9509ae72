"""One system for the tests of the page, and a browser for each module; each test has a page of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.page.browser import Chromium, running_chromium


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    """Yield the browser that the tests of a module share.

    While it is open, no asynchronous test can run in the same process.
    """
    with running_chromium() as browser:
        yield browser
