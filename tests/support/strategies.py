"""Strategies that several property tests share."""

from __future__ import annotations

from hypothesis import strategies as st

from twin.instant import SECOND
from twin.model.observation import Observation

# Few distinct times and values, so that duplicates, corrections and late arrivals are common.
observations = st.builds(
    Observation,
    datastream=st.integers(1, 4),
    phenomenon_time=st.integers(0, 8).map(lambda n: n * 60 * SECOND),
    received_time=st.integers(0, 12).map(lambda n: n * 60 * SECOND),
    value=st.sampled_from([0.0, 1.0, 2.5, -3.0]),
    flags=st.sampled_from([0, 0, 0, 1, 8]),
    rank=st.sampled_from([0, 0, 0, 1, 2]),
)
