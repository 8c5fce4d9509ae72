"""Bounds of reading observations as columns."""

from __future__ import annotations

from typing import Any

import pytest

from storage.database import QueryError
from storage.history.observation_columns import BULK_DATASTREAMS_MAX, check_kept, read_bulk_series
from twin.quality.quality_rules import TIME_RULES_ONLY


async def test_too_many_datastreams_are_refused_before_any_statement() -> None:
    nothing: Any = None
    with pytest.raises(QueryError, match=r"50001 datastreams"):
        await read_bulk_series(nothing, dict.fromkeys(range(BULK_DATASTREAMS_MAX + 1), TIME_RULES_ONLY), 0)


def test_a_span_whose_beginning_was_removed_is_refused() -> None:
    check_kept(5, None)
    check_kept(5, 5)
    with pytest.raises(QueryError, match=r"before 1970-01-01T00:00:00\.000006Z were removed"):
        check_kept(5, 6)
