"""Each feed that a city folder accepts has a decoder."""

from __future__ import annotations

from pathlib import Path

import pytest

from cities.files.schema import FEEDS
from ingest.decoders import registry
from tests.support.cities.city_folders import SENSORS, faults_of, write_city_folder


def test_the_feeds_of_a_city_are_those_of_the_decoders() -> None:
    assert set(FEEDS) == {feed for decoder in registry().values() for feed in decoder.feeds}


@pytest.mark.parametrize("feed", ["sparkplug", "sensorthings"])
def test_a_feed_without_a_decoder_is_refused(feed: str, tmp_path: Path) -> None:
    folder = write_city_folder(tmp_path, sensors=SENSORS.replace("feed: ttn", f"feed: {feed}"))
    assert any(f"found '{feed}', expected one of" in fault.message for fault in faults_of(folder))
