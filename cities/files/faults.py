"""Faults in a city folder: where, about what, and what is wrong; and the error that carries all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from twin.errors import TwinError


@dataclass(frozen=True, slots=True, order=True)
class CityFault:
    """One thing that is wrong in a city folder."""

    file: str  #: path of the file, as the folder was named by the caller
    line: int  #: counted from 1; 1 also where the whole file is meant
    subject: str  #: the item, such as `entities[3] alkmaar.overdie`; empty for the file itself
    message: str  #: what is wrong: found …, expected …

    def __post_init__(self) -> None:
        # Names and keys stand in both as they were found, however long they are.
        object.__setattr__(self, "subject", _cut(self.subject, _SUBJECT_MAX))
        object.__setattr__(self, "message", _cut(self.message, _MESSAGE_MAX))

    def __str__(self) -> str:
        subject = f"{self.subject}: " if self.subject else ""
        return f"{self.file}:{self.line}: {subject}{self.message}"


def _cut(text: str, characters_max: int) -> str:
    return text if len(text) <= characters_max else text[: characters_max - 1] + "…"


class CityError(TwinError):
    """A city folder is wrong. `faults` holds every fault in it, ordered by file and line; at least one."""

    def __init__(self, faults: Iterable[CityFault]) -> None:
        self.faults: tuple[CityFault, ...] = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


def describe_value(value: object) -> str:
    """Return a value of a city folder as a message tells it: short, and naming what has no short form.

    >>> describe_value("Ijzer"), describe_value(True), describe_value(None), describe_value([1, 2])
    ("'Ijzer'", 'true', 'nothing', 'a list of 2')
    """
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case list():
            return f"a list of {len(value)}"
        case dict():
            return "a mapping"
        case str() if len(value) > _TEXT_MAX:
            return repr(value[:_TEXT_MAX] + "…")
        case _:
            return repr(value)


_TEXT_MAX = 60
_SUBJECT_MAX = 200
_MESSAGE_MAX = 2_000
