"""The journal of the duty loop: incidents, messages and log positions, in an SQLite file.

Each change is one transaction, which is on the disk when `write` returns (`synchronous=FULL`). So everything
that the process did after a write can be continued after a crash. One process at a time opens the file.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias, TypeVar

import msgspec

from alerting.incidents.incident_state import IncidentState
from alerting.messages.outgoing_message import OutgoingMessage
from alerting.policy.hand_over import DutyTurn
from alerting.policy.storm_limit import RecipientTraffic
from twin.alarms.messages import AlarmEvent
from twin.errors import MessageError, ServiceError
from twin.instant import Instant
from twin.wire.codec import DECODE_ERRORS
from twin.wire.duty_messages import NOTIFICATIONS, NotificationEvent

PartitionKey: TypeAlias = tuple[str, int]
"""Topic and partition."""

JOURNAL_LAYOUT = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS incident (id TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS alarm (id TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS message (id TEXT PRIMARY KEY, ended INTEGER, content BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS message_ended ON message (ended);
CREATE TABLE IF NOT EXISTS recipient (id TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS duty_turn (id TEXT PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS untold (number INTEGER PRIMARY KEY AUTOINCREMENT, event BLOB NOT NULL);
"""

_NO_LOCAL_FACTS = "WHERE name NOT IN ('layout', 'member', 'heir')"

_COPIED_ROWS = {"fact": _NO_LOCAL_FACTS, "message": "WHERE ended IS NULL", "untold": "ORDER BY number"}
"""Which rows of a table a copy of the journal has, where it does not have all."""

JournalRow: TypeAlias = tuple[str, tuple[Any, ...]]
"""Table, and the values of its columns."""

_encode = msgspec.msgpack.Encoder().encode
T = TypeVar("T")


@dataclass(slots=True)
class JournalContent:
    """The content of the journal that the duty loop works with."""

    outage: tuple[Instant, int] | None = (
        None  #: since when the path from sensors is closed, and how often that was notified
    )
    log: str = ""  #: identity of the log that the positions belong to
    positions: dict[PartitionKey, int] = field(default_factory=dict)  #: the next offset to read
    incidents: dict[str, IncidentState] = field(default_factory=dict)
    alarms: dict[str, AlarmEvent] = field(default_factory=dict)
    messages: dict[str, OutgoingMessage] = field(default_factory=dict)  #: without those that have ended
    traffic: dict[str, RecipientTraffic] = field(default_factory=dict)  #: by `contact~channel`
    turns: dict[str, DutyTurn] = field(default_factory=dict)  #: by team


@dataclass(slots=True)
class JournalChange:
    """The content of one transaction."""

    log: str | None = None  #: another log: only the positions of this change remain
    outage: tuple[Instant, int] | None = None  #: as in `JournalContent`; (0, 0) when it is over
    positions: dict[PartitionKey, int] = field(default_factory=dict)
    incidents: dict[str, IncidentState] = field(default_factory=dict)
    alarms: dict[str, AlarmEvent] = field(default_factory=dict)
    messages: dict[str, OutgoingMessage] = field(default_factory=dict)
    traffic: dict[str, RecipientTraffic] = field(default_factory=dict)
    turns: dict[str, DutyTurn] = field(default_factory=dict)
    ended: dict[str, Instant] = field(default_factory=dict)  #: message → when it ended
    events: list[NotificationEvent] = field(default_factory=list)
    dropped_incidents: list[str] = field(default_factory=list)
    dropped_alarms: list[str] = field(default_factory=list)
    dropped_traffic: list[str] = field(default_factory=list)
    dropped_turns: list[str] = field(default_factory=list)
    drop_messages_before: Instant | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return self == JournalChange()


class Journal(Protocol):
    """What the duty loop uses of a journal."""

    has_unpublished: asyncio.Event  #: set when there are new events to publish

    def read(self) -> JournalContent:
        """Return the content."""

    def write(self, change: JournalChange, /) -> None:
        """Write a change; it is on the disk when this returns."""

    def unpublished(self, limit: int) -> list[tuple[int, bytes]]:
        """Return at most `limit` of the oldest events that are not published yet, with their numbers."""

    def mark_published(self, numbers: Iterable[int]) -> None:
        """Remove events that the log has confirmed."""


def _open(path: Path, opened: ExitStack) -> sqlite3.Connection:
    """Return the locked database; `opened` closes it and the lock. Raises OSError, sqlite3.Error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    opened.callback(os.close, lock)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    path.touch(mode=0o600)
    database = opened.enter_context(closing(sqlite3.connect(path, isolation_level=None)))
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.executescript(_SCHEMA)
    return database


class DutyJournal:
    """The SQLite file. Raises ServiceError when it cannot be opened or another process has it open."""

    def __init__(self, path: Path) -> None:
        self.has_unpublished = asyncio.Event()
        self._path = path
        with ExitStack() as opened:
            try:
                self._database = _open(path, opened)
            except (OSError, sqlite3.Error) as error:
                raise ServiceError(
                    f"the journal of the duty loop at {path} cannot be opened ({error}): run one `alerting` "
                    "at a time, with a writable disk; LIVETWIN_STATE_DIR sets the folder"
                ) from error
            found = self._fact("layout")
            if found not in ("", str(JOURNAL_LAYOUT)):
                raise ServiceError(
                    f"the journal at {path} has layout {found}, this program reads {JOURNAL_LAYOUT}: "
                    "upgrade the program"
                )
            self._set_fact("layout", str(JOURNAL_LAYOUT))
            self._opened = opened.pop_all()

    def read(self) -> JournalContent:
        """Return the content."""
        rows = self._database.execute
        since, count = map(int, (self._fact("outage") or "0 0").split())
        return JournalContent(
            outage=(since, count) if count else None,
            log=self._fact("log"),
            positions={
                (topic, number): at
                for topic, number, at in rows("SELECT topic, partition, next FROM position")
            },
            incidents=self._contents("SELECT id, content FROM incident", IncidentState),
            alarms=self._contents("SELECT id, content FROM alarm", AlarmEvent),
            messages=self._contents("SELECT id, content FROM message WHERE ended IS NULL", OutgoingMessage),
            traffic=self._contents("SELECT id, content FROM recipient", RecipientTraffic),
            turns=self._contents("SELECT id, content FROM duty_turn", DutyTurn),
        )

    def write(self, *changes: JournalChange) -> None:
        """Write changes as one transaction; they are on the disk when this returns."""
        with self._transaction():
            for change in changes:
                self._write(change)
        if any(change.events for change in changes):
            self.has_unpublished.set()

    def _write(self, change: JournalChange) -> None:
        run, many = self._database.execute, self._database.executemany
        if change.log is not None:
            run("DELETE FROM position")
            self._set_fact("log", change.log)
        if change.outage is not None:
            self._set_fact("outage", "{} {}".format(*change.outage))
        many(
            "INSERT OR REPLACE INTO position (topic, partition, next) VALUES (?, ?, ?)",
            [(*partition, next) for partition, next in change.positions.items()],
        )
        self._put("incident", change.incidents)
        self._put("alarm", change.alarms)
        self._put("recipient", change.traffic)
        self._put("duty_turn", change.turns)
        many(
            "INSERT OR REPLACE INTO message (id, ended, content) VALUES (?, ?, ?)",
            [(id, change.ended.get(id), _encode(message)) for id, message in change.messages.items()],
        )
        many(
            "INSERT INTO untold (event) VALUES (?)",
            [(NOTIFICATIONS.encode(event),) for event in change.events],
        )
        many("DELETE FROM incident WHERE id = ?", [(id,) for id in change.dropped_incidents])
        many("DELETE FROM alarm WHERE id = ?", [(id,) for id in change.dropped_alarms])
        many("DELETE FROM recipient WHERE id = ?", [(id,) for id in change.dropped_traffic])
        many("DELETE FROM duty_turn WHERE id = ?", [(id,) for id in change.dropped_turns])
        if change.drop_messages_before is not None:
            run("DELETE FROM message WHERE ended < ?", (change.drop_messages_before,))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            self._database.execute("ROLLBACK")
            raise

    def unpublished(self, limit: int) -> list[tuple[int, bytes]]:
        """Return at most `limit` of the oldest events that are not published yet, with their numbers."""
        rows = self._database.execute("SELECT number, event FROM untold ORDER BY number LIMIT ?", (limit,))
        return list(rows)

    def mark_published(self, numbers: Iterable[int]) -> None:
        """Remove events that the log has confirmed."""
        self._database.executemany("DELETE FROM untold WHERE number = ?", [(number,) for number in numbers])

    # -- copies on other hosts --------------------------------------------------------------------------

    def rows(self) -> list[JournalRow]:
        """Return everything that the journal of another host needs: each row with its table.

        Messages that have ended are left out, and so are facts about this file.
        """
        found: list[JournalRow] = []
        for table in self._tables():
            rows = self._database.execute(f"SELECT * FROM {table} {_COPIED_ROWS.get(table, '')}")  # noqa: S608
            found += [(table, row) for row in rows]
        return found

    def replace(self, rows: Iterable[JournalRow]) -> None:
        """Replace the content by the rows of another journal."""
        with self._transaction():
            tables = self._tables()
            for table in tables:
                kept = _NO_LOCAL_FACTS if table == "fact" else ""
                self._database.execute(f"DELETE FROM {table} {kept}")  # noqa: S608
            for table, row in rows:
                if table not in tables:
                    raise MessageError(f"a copied journal has the unknown table {table}: upgrade the program")
                places = ", ".join("?" * len(row))
                self._database.execute(f"INSERT INTO {table} VALUES ({places})", row)  # noqa: S608

    def _tables(self) -> list[str]:
        rows = self._database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return [name for (name,) in rows if not name.startswith("sqlite_")]

    def drop_oldest_unpublished(self, count: int) -> None:
        """Remove the oldest events, which another process has published."""
        self._database.execute(
            "DELETE FROM untold WHERE number IN (SELECT number FROM untold ORDER BY number LIMIT ?)", (count,)
        )

    def newest_unpublished(self) -> int:
        """Return the number of the newest event that is not published yet; 0 if there is none."""
        row = self._database.execute("SELECT max(number) FROM untold").fetchone()
        return row[0] or 0

    def member(self) -> str:
        """Return the name of this journal among its copies; it stays the same."""
        if not self._fact("member"):
            self._set_fact("member", secrets.token_hex(8))
        return self._fact("member")

    @property
    def is_heir(self) -> bool:
        """Whether the process with this journal was the last one, as far as it knows, that worked."""
        return self._fact("heir") == "1"

    def set_heir(self, is_heir: bool) -> None:
        """Store whether the process with this journal works."""
        if is_heir is not self.is_heir:
            self._set_fact("heir", "1" if is_heir else "0")

    def close(self) -> None:
        """Close the file, so that another process can open it."""
        self._opened.close()

    def _put(self, table: str, contents: Mapping[str, msgspec.Struct]) -> None:
        self._database.executemany(
            f"INSERT OR REPLACE INTO {table} (id, content) VALUES (?, ?)",  # noqa: S608
            [(id, _encode(content)) for id, content in contents.items()],
        )

    def _contents(self, statement: str, kind: type[T]) -> dict[str, T]:
        decode = msgspec.msgpack.Decoder(kind).decode
        try:
            return {id: decode(content) for id, content in self._database.execute(statement)}
        except DECODE_ERRORS as error:
            raise ServiceError(
                f"the journal at {self._path} contains an entry that this program cannot read ({error}): "
                "upgrade the program, or go back to the version that wrote the journal"
            ) from error

    def _fact(self, name: str) -> str:
        row = self._database.execute("SELECT value FROM fact WHERE name = ?", (name,)).fetchone()
        return row[0] if row is not None else ""

    def _set_fact(self, name: str, value: str) -> None:
        self._database.execute("INSERT OR REPLACE INTO fact (name, value) VALUES (?, ?)", (name, value))
