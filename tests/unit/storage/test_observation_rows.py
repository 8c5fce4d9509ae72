"""Rows of observations equal those that psycopg packs, within the column limits only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.column_limits import DATASTREAM_ID_MAX, FLAGS_MAX
from storage.historian.observation_rows import (
    copy_data,
    datastreams_of,
    fits_columns,
    has_ranks,
    join_rows,
    pack_observations,
    times_of,
)
from tests.support.oracles.binary_copy import binary_copy
from twin.instant import INSTANT_MAX, INSTANT_MIN, to_datetime
from twin.model.observation import Observation

TYPES = ("timestamptz", "timestamptz", "float8", "int4", "int2")

INSTANTS = st.integers(INSTANT_MIN, INSTANT_MAX)
OBSERVATIONS = st.lists(
    st.builds(
        Observation,
        st.integers(0, DATASTREAM_ID_MAX),
        INSTANTS,
        INSTANTS,
        st.floats(allow_nan=False),
        st.integers(0, FLAGS_MAX),
        st.one_of(st.just(0), st.integers(0, INSTANT_MAX)),
    ),
    max_size=5,
)


@given(first=OBSERVATIONS, second=OBSERVATIONS)
def test_rows_equal_those_of_psycopg(first: list[Observation], second: list[Observation]) -> None:
    parts = [pack_observations(first), pack_observations(second)]
    rows = join_rows([one for one in parts if one is not None])
    whole = [(to_datetime(one[1]), to_datetime(one[2]), one[3], one[0], one[4]) for one in first + second]
    assert copy_data(rows, ranked=False) == binary_copy(TYPES, whole)
    ranks = [one.rank for one in first + second]
    ranked = [(*row, rank) for row, rank in zip(whole, ranks, strict=True)]
    assert copy_data(rows, ranked=True) == binary_copy((*TYPES, "int8"), ranked)
    assert has_ranks(rows) == any(ranks)
    assert datastreams_of(rows).tolist() == [one.datastream for one in first + second]
    assert times_of(rows).tolist() == [one.phenomenon_time for one in first + second]


ONE = Observation(1, 2, 3, 4.0, 5)


@pytest.mark.parametrize(
    "beyond",
    [
        ONE._replace(datastream=-1),
        ONE._replace(datastream=DATASTREAM_ID_MAX + 1),
        ONE._replace(phenomenon_time=INSTANT_MIN - 1),
        ONE._replace(phenomenon_time=2**64 - 1),
        ONE._replace(received_time=INSTANT_MAX + 1),
        ONE._replace(received_time=-(2**63)),
        ONE._replace(flags=-1),
        ONE._replace(flags=FLAGS_MAX + 1),
        ONE._replace(rank=-1),
        ONE._replace(rank=INSTANT_MAX + 1),
    ],
)
def test_no_rows_are_packed_when_an_observation_does_not_fit(beyond: Observation) -> None:
    assert fits_columns(ONE)
    assert not fits_columns(beyond)
    assert pack_observations([ONE, beyond]) is None
