"""Buckets of history as an answer shows them."""

from __future__ import annotations

import msgspec
import pytest

from api.history.routes import _bucket_models
from storage.history.bucket_parts import HistoryBucket
from twin.instant import HOUR
from twin.state.sketch import RELATIVE_ACCURACY


@pytest.mark.parametrize(("error", "shown"), [(RELATIVE_ACCURACY, {"percentileError": 0.01}), (None, {})])
def test_a_bucket_tells_whether_its_percentiles_are_approximate(
    error: float | None, shown: dict[str, float]
) -> None:
    bucket = HistoryBucket(0, HOUR, 3, 1.0, 0, {"p50": 2.0}, percentile_error=error)
    (model,) = _bucket_models([bucket])
    found = msgspec.to_builtins(model)
    assert {name: found[name] for name in ("p50", "percentileError") if name in found} == {
        "p50": 2.0,
        **shown,
    }
