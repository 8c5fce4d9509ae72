"""Fixtures of the tests of ingest with real services."""

from __future__ import annotations

import pytest

from ingest.mqtt import bulk_reading


@pytest.fixture(params=["in bulk", "one by one"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let a session read in bulk, or as with a paho whose private names have changed."""
    if request.param == "one by one":
        monkeypatch.setattr(
            bulk_reading, "PAHO_PRIVATE_NAMES", (*bulk_reading.PAHO_PRIVATE_NAMES, "_renamed")
        )
    return str(request.param)
