"""Rows of message records equal those that psycopg packs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from storage.historian.observation_buffer import MessageRecord
from storage.historian.writers.message_writer import pack_message_rows
from tests.support.oracles.binary_copy import binary_copy
from twin.instant import INSTANT_MAX, INSTANT_MIN, to_datetime

TYPES = ("text", "int4", "int8", "timestamptz", "timestamptz", "bytea", "bytea", "bytea")
INSTANTS = st.integers(INSTANT_MIN, INSTANT_MAX)
RECORDS = st.lists(
    st.builds(
        MessageRecord,
        st.integers(0, 2**31 - 1),
        st.integers(0, 2**63 - 1),
        INSTANTS,
        INSTANTS,
        st.binary(max_size=9),
        st.binary(max_size=9),
        st.binary(max_size=9),
    ),
    max_size=4,
)


@given(log_id=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), records=RECORDS)
def test_rows_of_messages_equal_those_of_psycopg(log_id: str, records: list[MessageRecord]) -> None:
    rows = [
        (
            log_id,
            *message[:2],
            to_datetime(message[2]),
            to_datetime(message[3]),
            *message[4:6],
            message.payloads or None,
        )
        for message in records
    ]
    assert pack_message_rows(log_id, records) == binary_copy(TYPES, rows)
