"""What the tests of this folder share."""

from __future__ import annotations

import pytest

from ingest.mqtt import bulk_reading


@pytest.fixture(params=["in bulk", "one by one"])
def reading(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a session reads: in bulk, or as it does with a paho whose private names have changed."""
    if request.param == "one by one":
        monkeypatch.setattr(bulk_reading, "_PRIVATE_NAMES", (*bulk_reading.PAHO_PRIVATE_NAMES, "_renamed"))
    return str(request.param)
