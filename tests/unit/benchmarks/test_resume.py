"""What the case `resume` compares: the output of subscribers that were killed."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.cases.resume import differences
from benchmarks.measure.live_subscriber_process import DurableBatch, LiveSubscriberProcess
from benchmarks.measure.worker_process import BenchmarkError

SNAPSHOT_END = '{"cursor":"c0","events":[{"event":"snapshot","data":{"complete":true}}]}\n'


def state(cursor: str, entity: str, value: int) -> str:
    data = f'{{"entityId":"{entity}","value":{value}}}'
    return f'{{"cursor":"{cursor}","events":[{{"event":"state","data":{data}}}]}}\n'


def printing(text: str, then: str = "exec tail -f /dev/null") -> Callable[[str, str], list[str]]:
    """Return the command of a program that prints a text, in which CURSOR is the cursor that it was given."""

    def command(url: str, cursor: str) -> list[str]:
        assert url == "http://town.example"
        return ["sh", "-c", f"printf %s {shlex.quote(text.replace('CURSOR', cursor))}; {then}"]

    return command


def run(subscriber: LiveSubscriberProcess) -> None:
    """Start the subscriber, and kill it when it has written."""
    subscriber.start("http://town.example")
    try:
        subscriber.wait_for_output()
    finally:
        subscriber.kill()


def test_the_next_process_goes_on_after_the_last_whole_line(tmp_path: Path) -> None:
    file = tmp_path / "out"
    first = SNAPSHOT_END + state("c1", "town.a", 1) + '{"cursor":"c2","eve'
    run(LiveSubscriberProcess(printing(first), file))
    second = LiveSubscriberProcess(printing(state("after-CURSOR", "town.a", 2)), file)
    run(second)
    assert file.read_text() == SNAPSHOT_END + state("c1", "town.a", 1) + state("after-c1", "town.a", 2)
    second.wait_for_snapshot()
    assert second.events_of_entities() == (
        {"town.a": [b'state {"entityId":"town.a","value":1}', b'state {"entityId":"town.a","value":2}']},
        0,
    )


def test_a_durable_stream_begins_without_a_snapshot_and_gaps_are_counted(tmp_path: Path) -> None:
    text = (
        '{"offset":"7","items":[{"event":"state","data":{"entityId":"town.a"}}]}\n'
        '{"offset":"CURSOR","items":[{"event":"gap","data":{}}]}\n'
    )
    subscriber = LiveSubscriberProcess(printing(text), tmp_path / "out", "6", DurableBatch)
    run(subscriber)
    assert subscriber.events_of_entities() == ({"town.a": [b'state {"entityId":"town.a"}']}, 1)
    assert (tmp_path / "out").read_text().count('"offset":"6"') == 1, "where the first one began"


def test_a_subscriber_that_ends_by_itself_is_an_error(tmp_path: Path) -> None:
    subscriber = LiveSubscriberProcess(printing("", then="exit 3"), tmp_path / "out")
    with pytest.raises(BenchmarkError, match="the subscriber of out ended by itself"):
        run(subscriber)


@pytest.mark.parametrize(
    ("other", "differ"),
    [
        ({"a": [b"1", b"2"], "b": [b"3"]}, ()),
        ({"b": [b"3"], "a": [b"1", b"2"]}, ()),
        ({"a": [b"2", b"1"], "b": [b"3"]}, ("a",)),
        ({"a": [b"1", b"2", b"2"], "b": [b"3"]}, ("a",)),
        ({"a": [b"1"], "b": [b"3"], "c": [b"4"]}, ("a", "c")),
        ({"a": [b"1", b"2"]}, ("b",)),
    ],
)
def test_missing_repeated_swapped_and_changed_events_are_differences(
    other: dict[str, list[bytes]], differ: tuple[str, ...]
) -> None:
    assert differences({"a": [b"1", b"2"], "b": [b"3"]}, other) == differ
