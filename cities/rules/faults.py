"""Faults of a rule: their place in its document and their cause, for files and for requests."""

from __future__ import annotations

from typing import NamedTuple

from cities.files.yaml_document import Location


class RuleFault(NamedTuple):
    """One fault of a rule."""

    location: tuple[str | int, ...]  #: keys and indices, starting at the rule
    message: str  #: found …, expected …

    @property
    def pointer(self) -> str:
        """The place as a JSON pointer (RFC 6901).

        >>> RuleFault(("when", "above", "a/b"), "found nothing").pointer
        '/when/above/a~1b'
        """
        steps = (str(step).replace("~", "~0").replace("/", "~1") for step in self.location)
        return "".join(f"/{step}" for step in steps)


class RuleFaults:
    """The faults of one rule."""

    def __init__(self) -> None:
        self.found: list[RuleFault] = []

    def add_fault(self, location: Location, message: str) -> None:
        """Add a fault at a place in the rule's document."""
        self.found.append(RuleFault(tuple(location), message))

    @property
    def all(self) -> tuple[RuleFault, ...]:
        """Every fault once, in the order in which they were found."""
        return tuple(dict.fromkeys(self.found))

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self.found)
