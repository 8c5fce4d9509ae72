"""Faults in a city folder: their place, their subject and their cause; and the error with all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from twin.errors import TwinError


@dataclass(frozen=True, slots=True, order=True)
class CityFault:
    """One fault in a city folder."""

    file: str  #: path of the file, relative as the caller named the folder
    line: int  #: counted from 1; 1 also for the whole file
    subject: str  #: the item, such as `entities[3] alkmaar.overdie`; empty for the file itself
    message: str  #: found …, expected …

    def __post_init__(self) -> None:
        # Both contain names and keys as they are in the file, of any length.
        object.__setattr__(self, "subject", _cut(self.subject, _SUBJECT_MAX))
        object.__setattr__(self, "message", _cut(self.message, _MESSAGE_MAX))

    def __str__(self) -> str:
        subject = f"{self.subject}: " if self.subject else ""
        return f"{self.file}:{self.line}: {subject}{self.message}"


def _cut(text: str, characters_max: int) -> str:
    return text if len(text) <= characters_max else text[: characters_max - 1] + "…"


class CityError(TwinError):
    """A city folder is wrong. `faults` has every fault in it, by file and line; at least one."""

    def __init__(self, faults: Iterable[CityFault]) -> None:
        self.faults: tuple[CityFault, ...] = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


def describe_value(value: object) -> str:
    """Return a value for a message: short, and by its kind if it has no short form.

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
