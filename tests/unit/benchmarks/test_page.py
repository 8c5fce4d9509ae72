"""Weights of built pages, and growth in a storm."""

from __future__ import annotations

from pathlib import Path

from benchmarks.cases.page import file_weights
from benchmarks.pages.page_storm import StormSample, growth_mb


def test_a_file_weighs_what_is_sent_of_it(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_bytes(b"x" * 100)
    (tmp_path / "assets/a.js").write_bytes(b"x" * 1000)
    (tmp_path / "assets/a.js.br").write_bytes(b"x" * 200)
    (tmp_path / "assets/a.js.gz").write_bytes(b"x" * 300)
    assert dict(file_weights(tmp_path)) == {
        "assets/a.js": {"plain": 1000, "sent": 200},
        "index.html": {"plain": 100, "sent": 100},
    }


def test_a_single_high_sample_is_no_growth() -> None:
    sample = StormSample(0.0, 60.0, 16.0, 10.0, 100, 10, 0.1)
    samples = [sample._replace(heap_mb=size) for size in (10.0, 10.0, 10.0, 40.0, 10.0, 10.0, 10.0, 10.0)]
    assert growth_mb(samples) == 0
