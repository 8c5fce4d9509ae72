"""What the orders of the case `order` ended in, as files: a year takes long, and need not be played again to
be compared with another order.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import msgspec

from benchmarks.load.year_city import YearCity
from benchmarks.measure.machine import describe_code
from benchmarks.measure.stored_history import History
from benchmarks.measure.worker_process import BenchmarkError
from benchmarks.report.results import CHECKOUT
from twin.instant import format_instant, parse_instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """The result of playing one order."""

    name: str
    messages: int
    sending_s: float  #: without restarts
    stored_s: float  #: from the first message until all messages, and what follows from them, were stored
    settled_s: float  #: from the first message until everything was stored and repaired
    history: History

    @property
    def rate(self) -> float:
        """Messages a second, until they and what follows from them were stored; repairs may go on."""
        return self.messages / self.stored_s

    def document(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "messages": self.messages,
            "sendingSeconds": round(self.sending_s, 1),
            "storedSeconds": round(self.stored_s, 1),
            "settledSeconds": round(self.settled_s, 1),
            "messagesASecond": round(self.rate),
            "rows": {table: len(rows) for table, rows in self.history.items()},
        }

    def encode(self) -> bytes:
        """Return the content of a file."""
        history = {table: list(rows.items()) for table, rows in self.history.items()}
        figures = (self.name, self.messages, self.sending_s, self.stored_s, self.settled_s)
        return msgspec.msgpack.encode((figures, history))

    @classmethod
    def decode(cls, content: bytes) -> Self:
        """Return the play of a file."""
        (name, messages, sending_s, stored_s, settled_s), tables = _DECODER.decode(content)
        return cls(
            name=name,
            messages=messages,
            sending_s=sending_s,
            stored_s=stored_s,
            settled_s=settled_s,
            history={table: dict(rows) for table, rows in tables.items()},
        )


_Figures = tuple[str, int, float, float, float]
_Row = tuple[tuple[Any, ...], tuple[Any, ...]]
_DECODER: msgspec.msgpack.Decoder[tuple[_Figures, dict[str, list[_Row]]]] = msgspec.msgpack.Decoder(
    tuple[_Figures, dict[str, list[_Row]]]
)


class StoredPlays:
    """A folder with the plays of one year by one commit; the year begins when the first was played."""

    def __init__(self, folder: Path, city: YearCity) -> None:
        """Begin the folder, or continue one. Raises BenchmarkError when it holds another year or commit."""
        self._folder = folder
        year = folder / "year.json"
        code = describe_code(CHECKOUT)
        content = {"stations": city.stations, "days": city.days, "seed": city.seed, "commit": code}
        if year.exists():
            found = json.loads(year.read_text())
            city = replace(city, start=parse_instant(found.pop("start")))
            if found != content:
                raise BenchmarkError(f"{folder} holds plays of another year: {found}")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            year.write_text(json.dumps({"start": format_instant(city.start), **content}) + "\n")
        self.city = city

    def read(self, name: str) -> Play | None:
        """Return the play of an order, if it was stored."""
        path = self._path(name)
        return Play.decode(path.read_bytes()) if path.exists() else None

    def write(self, play: Play) -> None:
        """Store the play of an order."""
        path = self._path(play.name)
        part = path.with_suffix(".part")
        part.write_bytes(play.encode())
        part.rename(path)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.msgpack"
