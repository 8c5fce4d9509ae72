"""Rows of states equal those that psycopg packs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage.column_limits import COUNT_MAX, DATASTREAM_ID_MAX, FLAGS_MAX, INTEGER_MAX
from storage.historian.writers.update_writer import pack_datastream_states, pack_property_states
from tests.support.oracles.binary_copy import binary_copy
from twin.instant import INSTANT_MAX, INSTANT_MIN, to_datetime
from twin.model.observation import LastGoodValue, Observation
from twin.wire.messages import Update, UpdateKind

PROPERTY = (
    *("text", "text", "int8", "float8", "timestamptz", "timestamptz", "int2", "int4[]"),
    *("int2", "float8", "timestamptz", "int4[]", "int4", "int4", "int4", "bool"),
)
DATASTREAM = ("int4", "timestamptz", "timestamptz", "float8", "int2", "int8")

INSTANTS = st.integers(INSTANT_MIN, INSTANT_MAX)
FLAGS = st.integers(0, FLAGS_MAX)
IDS = st.lists(st.integers(0, DATASTREAM_ID_MAX), max_size=3).map(tuple)
VALUES = st.floats(allow_nan=False)
NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6)
UPDATES = st.lists(
    st.builds(
        Update,
        entity=NAMES,
        property=NAMES,
        revision=st.integers(0, COUNT_MAX),
        value=VALUES,
        phenomenon_time=INSTANTS,
        received_time=INSTANTS,
        flags=FLAGS,
        datastreams=IDS,
        observation=st.builds(
            Observation, st.integers(0, DATASTREAM_ID_MAX), INSTANTS, INSTANTS, VALUES, FLAGS
        ),
        kind=st.sampled_from(UpdateKind),
        last_good=st.none() | st.builds(LastGoodValue, VALUES, INSTANTS),
        deviating=IDS,
        count=st.integers(0, INTEGER_MAX),
        interval=st.just(0),
        members=st.integers(0, INTEGER_MAX),
        members_expected=st.integers(0, INTEGER_MAX),
        preliminary=st.booleans(),
    ),
    max_size=4,
)


@given(updates=UPDATES)
def test_rows_of_properties_equal_those_of_psycopg(updates: list[Update]) -> None:
    rows = [
        (
            *(update.entity, update.property, update.revision, update.value),
            *(to_datetime(update.phenomenon_time), to_datetime(update.received_time)),
            *(update.flags, list(update.datastreams), int(update.kind)),
            update.last_good.value if update.last_good is not None else None,
            to_datetime(update.last_good.phenomenon_time) if update.last_good is not None else None,
            *(list(update.deviating), update.count),
            *(update.members, update.members_expected, update.preliminary),
        )
        for update in updates
    ]
    assert pack_property_states(updates) == binary_copy(PROPERTY, rows)


@given(updates=UPDATES)
def test_rows_of_datastreams_equal_those_of_psycopg(updates: list[Update]) -> None:
    rows = []
    for update in updates:
        assert update.observation is not None
        datastream, measured, received, value, flags, _ = update.observation
        rows.append((datastream, to_datetime(measured), to_datetime(received), value, flags, update.revision))
    assert pack_datastream_states(updates) == binary_copy(DATASTREAM, rows)
