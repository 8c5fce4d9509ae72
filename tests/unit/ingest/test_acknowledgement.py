"""When a batch is acknowledged: once it is logged, or in order once it is stored in the same log."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ingest.pipeline.acknowledgement import LoggedAcknowledger, LogReplacedError, UnstoredBatches
from ingest.settings import RECEIVE_STORED_MAX, IngestSettings
from storage.stores.ledger import UNCONFIRMED_MAX
from twin.wire.codec import LAYOUT_VERSION
from twin.wire.stored_positions import StoredPositions

FIRST, SECOND, REFUSED = ("observations", 0), ("observations", 1), ("quarantine", 0)


def stored_positions(positions: dict[tuple[str, int], int], log: str = "log-1") -> StoredPositions:
    return StoredPositions(
        LAYOUT_VERSION, log, tuple((*partition, offset) for partition, offset in positions.items())
    )


def noting(done: list[str], name: str) -> Callable[[], None]:
    return lambda: done.append(name)


def test_what_is_logged_is_acknowledged_at_once() -> None:
    done: list[str] = []
    LoggedAcknowledger().begin_batch(noting(done, "a"))({FIRST: 7})
    assert done == ["a"]


def test_a_batch_waits_until_each_of_its_records_is_stored() -> None:
    done: list[str] = []
    unstored = UnstoredBatches("log-1")
    unstored.begin_batch(noting(done, "a"))({FIRST: 7, REFUSED: 2})
    unstored.on_stored(stored_positions({FIRST: 7, REFUSED: 1}))
    assert done == []
    unstored.on_stored(stored_positions({REFUSED: 2}))
    assert done == ["a"]


def test_a_batch_waits_for_those_before_it() -> None:
    done: list[str] = []
    unstored = UnstoredBatches("log-1")
    unstored.begin_batch(noting(done, "a"))({FIRST: 7})
    unstored.begin_batch(noting(done, "b"))({SECOND: 3})
    unstored.begin_batch(noting(done, "nothing on the log"))({})
    unstored.on_stored(stored_positions({SECOND: 9}))
    assert done == []
    unstored.on_stored(stored_positions({FIRST: 7}))
    assert done == ["a", "b", "nothing on the log"]
    assert len(unstored) == 0


def test_the_historian_may_be_faster_than_the_confirmation() -> None:
    done: list[str] = []
    unstored = UnstoredBatches("log-1")
    on_logged = unstored.begin_batch(noting(done, "a"))
    unstored.on_stored(stored_positions({FIRST: 7}))
    on_logged({FIRST: 7})
    assert done == ["a"]


def test_stored_positions_of_another_log_are_ignored() -> None:
    done: list[str] = []
    unstored = UnstoredBatches("log-1")
    unstored.begin_batch(noting(done, "a"))({FIRST: 7})
    unstored.on_stored(stored_positions({FIRST: 99}, log="log-2"))
    assert done == []


def test_an_offset_below_what_was_stored_before_is_of_another_log() -> None:
    done: list[str] = []
    unstored = UnstoredBatches("log-1")
    unstored.on_stored(stored_positions({FIRST: 1_000}))
    on_logged = unstored.begin_batch(noting(done, "a"))
    with pytest.raises(LogReplacedError, match="sends them again"):
        on_logged({FIRST: 4})
    assert done == []


@given(st.lists(st.tuples(st.sampled_from([FIRST, SECOND, REFUSED]), st.booleans()), max_size=40))
def test_acknowledged_batches_are_stored_and_the_first_that_were_logged(
    steps: list[tuple[tuple[str, int], bool]],
) -> None:
    """Each step logs a record, or reports that everything logged in a partition is stored."""
    unstored = UnstoredBatches("log-1")
    done: list[str] = []
    logged: list[tuple[tuple[str, int], int]] = []
    ends = dict.fromkeys([FIRST, SECOND, REFUSED], 0)
    stored = dict(ends)
    for partition, reports in steps:
        if reports:
            stored[partition] = ends[partition]
            unstored.on_stored(stored_positions(stored))
        else:
            ends[partition] += 1
            logged.append((partition, ends[partition]))
            unstored.begin_batch(noting(done, str(len(logged) - 1)))({partition: ends[partition]})
        assert done == [str(number) for number in range(len(done))]
        assert all(stored[where] >= end for where, end in logged[: len(done)])
        following = logged[len(done) :]
        assert not following or stored[following[0][0]] < following[0][1]


def test_the_receive_maximum_is_bounded_by_the_ledger_when_messages_wait_to_be_stored() -> None:
    assert RECEIVE_STORED_MAX == UNCONFIRMED_MAX
    assert IngestSettings(acknowledge="logged", receive_max=RECEIVE_STORED_MAX + 1)
    assert IngestSettings(acknowledge="stored", receive_max=RECEIVE_STORED_MAX)
    with pytest.raises(ValidationError, match="LIVETWIN_ACKNOWLEDGE=stored"):
        IngestSettings(acknowledge="stored", receive_max=RECEIVE_STORED_MAX + 1)
