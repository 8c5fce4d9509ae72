"""A city folder cannot name a feed without a decoder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cities.city_folders import SENSORS, faults_of, write_city_folder


@pytest.mark.parametrize("feed", ["sparkplug", "sensorthings"])
def test_a_feed_without_a_decoder_is_refused(feed: str, tmp_path: Path) -> None:
    folder = write_city_folder(tmp_path, sensors=SENSORS.replace("feed: ttn", f"feed: {feed}"))
    assert any(f"found '{feed}', expected one of" in fault.message for fault in faults_of(folder))
