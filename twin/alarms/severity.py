"""Severity: how bad it is. The words are those of ITU-T X.733, perceived severity."""

from __future__ import annotations

from enum import IntEnum


class Severity(IntEnum):
    """How bad; a greater one outranks a smaller. Stored as a small integer: never renumber one."""

    CLEARED = 0  #: nothing is wrong
    WARNING = 1
    MINOR = 2
    MAJOR = 3
    CRITICAL = 4

    @property
    def word(self) -> str:
        """The word of the API.

        >>> [one.word for one in Severity]
        ['cleared', 'warning', 'minor', 'major', 'critical']
        """
        return self.name.lower()


SEVERITY_WORDS = tuple(one.word for one in Severity if one)
"""What a rule may name, mildest first."""


def severity_of(word: str) -> Severity:
    """Return the severity of a word; raise KeyError for any other word.

    >>> severity_of("major")
    <Severity.MAJOR: 3>
    """
    return Severity[word.upper()]
