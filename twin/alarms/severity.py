"""Severities of alarms, in the words of ITU-T X.733, perceived severity."""

from __future__ import annotations

from enum import IntEnum
from typing import Literal, TypeAlias, get_args

SeverityWord: TypeAlias = Literal["cleared", "warning", "minor", "major", "critical"]
"""The words of the severities, mildest first."""

_WORDS: tuple[SeverityWord, ...] = get_args(SeverityWord)


class Severity(IntEnum):
    """A severity; a greater number is worse. Stored as a small integer: never renumber one."""

    CLEARED = 0  #: no alarm condition
    WARNING = 1
    MINOR = 2
    MAJOR = 3
    CRITICAL = 4

    @property
    def word(self) -> SeverityWord:
        """The word of the severity in the API.

        >>> [one.word for one in Severity]
        ['cleared', 'warning', 'minor', 'major', 'critical']
        """
        return _WORDS[self]


SEVERITY_WORDS = tuple(one.word for one in Severity if one)
"""The severities that a rule may have, mildest first."""


def severity_of(word: str) -> Severity:
    """Return the severity of a word. Raises KeyError for any other word.

    >>> severity_of("major")
    <Severity.MAJOR: 3>
    """
    return Severity[word.upper()]
