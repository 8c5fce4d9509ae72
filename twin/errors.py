"""The error tree: what can go wrong, and how it is told.

::

    TwinError
    ├── CityError        a city folder is wrong; carries every fault at once (in cities.files.faults)
    ├── UnitError        two units do not convert into each other
    ├── PayloadError     a message from a device cannot be used; carries a `Reason` (in ingest.decoding)
    ├── ExpressionError  an expression of a rule is wrong, or fails (in twin.alarms.rules.expression)
    ├── NestingError     JSON text is nested too deep (in twin.wire.json_nesting)
    ├── MessageError     a record between two roles cannot be read (another version wrote it)
    └── ServiceError     a service that we need is missing or refuses; says what to do

A message names its subject, what was found, what was expected, and, where a person can act, what to do.
"""

from __future__ import annotations


class TwinError(Exception):
    """Base of all errors that LiveTwin raises on purpose."""


class UnitError(TwinError):
    """A unit is unknown or does not convert into the canonical one."""


class MessageError(TwinError):
    """A record on the log is not one that this version can read."""


class ServiceError(TwinError):
    """A service or program that LiveTwin needs is missing, unreachable or refuses."""
