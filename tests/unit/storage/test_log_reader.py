"""The pause between two transactions of the historian."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from storage.historian.log_reader import pause_s
from storage.settings import HistorianSettings


@pytest.mark.parametrize(
    ("rows", "most_ms", "expected"),
    [(0, 300, 0.05), (1_000, 300, 0.175), (2_000, 300, 0.3), (50_000, 300, 0.3), (2_000, 20, 0.05)],
)
def test_the_pause_grows_with_the_rows_of_a_batch(rows: int, most_ms: int, expected: float) -> None:
    settings = HistorianSettings(
        database=SecretStr("postgresql://nobody@127.0.0.1:9/none"),
        historian_pause_ms=50,
        historian_pause_max_ms=most_ms,
    )
    assert pause_s(rows, settings) == pytest.approx(expected)
