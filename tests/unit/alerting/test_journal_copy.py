"""A copy of the journal on another host has the content of the journal, whatever has changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from alerting.incidents.journal import DutyJournal, JournalChange
from alerting.standby import journal_updates
from alerting.standby.journal_updates import JournalCopy, JournalUpdate, encode_parts, encode_update
from tests.support.pipelines.duty_loop import NOON, DutyLoop, duty_alarm, duty_plan
from twin.errors import MessageError
from twin.instant import MINUTE
from twin.model.duty import DutyOverride


class WorkingJournal(DutyJournal):
    """A journal that sends each change to a copy."""

    def __init__(self, path: Path, copy: JournalCopy) -> None:
        super().__init__(path)
        self._copy = copy

    def send_whole(self) -> None:
        for payload in encode_parts(self.rows()):
            self._copy.apply(payload)

    def write(self, *changes: JournalChange) -> None:
        super().write(*changes)
        self._copy.apply(encode_update(JournalUpdate(changes=changes)))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[DutyJournal]:
    with closing(DutyJournal(tmp_path / "copy.sqlite")) as journal:
        yield journal


@pytest.fixture
def copy(journal: DutyJournal) -> JournalCopy:
    return JournalCopy(journal)


@pytest.fixture
def working(tmp_path: Path, copy: JournalCopy) -> Iterator[WorkingJournal]:
    with closing(WorkingJournal(tmp_path / "working.sqlite", copy)) as working:
        yield working


def play(working: DutyJournal, minutes: int = 25) -> DutyLoop:
    """Notify people of an incident for a while, writing to a journal."""
    override = DutyOverride(
        id="1", team="water", contact="second", start=NOON + 5 * MINUTE, end=NOON + 10 * MINUTE
    )
    team = replace(duty_plan().teams[0], hand_over=("mail",))
    plan = duty_plan(teams=(team,), overrides=(override,))
    loop = DutyLoop(plan, delivers=lambda message: message.request.channel == "mail")

    def keep(change: JournalChange) -> None:
        working.write(change)

    loop._keep = keep  # type: ignore[method-assign]
    loop.on_alarms(duty_alarm())
    loop.advance(minutes * MINUTE)
    loop.manager.advance_position(("alarms", 2), 17)
    loop.manager.set_log("log-1")
    loop.manager.notify_outage(loop.now, loop.now)
    working.write(loop.manager.take_change())
    return loop


def test_a_copy_follows_each_change(working: WorkingJournal, journal: DutyJournal, copy: JournalCopy) -> None:
    working.send_whole()
    play(working)
    assert copy.is_whole
    assert journal.read() == working.read()
    assert journal.read().incidents, "something was told"
    assert [turn.before for turn in journal.read().turns.values()] == ["second"]
    assert journal.unpublished(100) == working.unpublished(100)


def test_a_copy_that_begins_late_gets_the_whole_content_in_parts(
    working: WorkingJournal, journal: DutyJournal, copy: JournalCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_updates, "RECORD_BYTES_MAX", 500)
    play(working)
    assert not copy.is_whole
    assert not journal.read().incidents, "changes mean nothing without what they change"
    parts = list(encode_parts(working.rows()))
    assert len(parts) > 2
    for payload in parts:
        assert not copy.is_whole
        copy.apply(payload)
    assert journal.read() == working.read()
    assert journal.unpublished(100) == working.unpublished(100)


def test_a_whole_content_replaces_what_only_this_host_knows(
    working: WorkingJournal, journal: DutyJournal, copy: JournalCopy
) -> None:
    play(journal)
    member = journal.member()
    journal.set_heir(True)
    working.member()
    working.send_whole()
    assert journal.read() == working.read()
    assert journal.unpublished(100) == []
    assert journal.member() == member, "each host keeps its name"
    assert not journal.is_heir, "another process works"


def test_a_content_whose_beginning_is_missing_changes_nothing(
    working: WorkingJournal, journal: DutyJournal, copy: JournalCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_updates, "RECORD_BYTES_MAX", 500)
    play(working)
    for payload in list(encode_parts(working.rows()))[1:]:
        copy.apply(payload)
    assert not copy.is_whole
    assert not journal.read().incidents


def test_published_events_are_removed_from_the_copy(
    working: WorkingJournal, journal: DutyJournal, copy: JournalCopy
) -> None:
    working.send_whole()
    play(working)
    numbers = [number for number, _ in working.unpublished(3)]
    working.mark_published(numbers)
    copy.apply(encode_update(JournalUpdate(published=len(numbers))))
    assert journal.unpublished(100) == working.unpublished(100)


def test_a_payload_of_a_newer_program_is_refused(copy: JournalCopy) -> None:
    with pytest.raises(MessageError, match="upgrade the program"):
        copy.apply(b"\x93newer")
