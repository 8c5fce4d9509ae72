"""The file of the duty loop's journal."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from alerting.incidents.journal import DutyJournal, JournalChange
from twin.errors import ServiceError


def test_a_file_that_is_no_journal_is_closed_again(tmp_path: Path) -> None:
    path = tmp_path / "duty.sqlite"
    path.write_bytes(b"no database" * 1_000)
    with pytest.raises(ServiceError, match=r"cannot be opened .*not a database"):
        DutyJournal(path)
    path.unlink()
    # The file can be removed and created at once: neither the lock nor the file is held.
    with closing(DutyJournal(path)) as journal:
        journal.write(JournalChange(log="log-1"))
        assert journal.read().log == "log-1"


def test_one_process_at_a_time_opens_the_journal(tmp_path: Path) -> None:
    path = tmp_path / "duty.sqlite"
    with closing(DutyJournal(path)), pytest.raises(ServiceError, match="one `alerting` at a time"):
        DutyJournal(path)
    DutyJournal(path).close()
