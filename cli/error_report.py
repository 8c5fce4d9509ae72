"""Error messages for people: one line for each fault, with its place and what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from cities.files.faults import CityError
from twin.errors import TwinError


class ConfigurationError(TwinError):
    """Settings of a role are wrong; the message has one line for each."""

    def __init__(self, faults: list[str]) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


EXIT_FAILED = 1
EXIT_USAGE = 2

USAGE_ERRORS = (ConfigurationError,)
"""Errors of the user's input: the command ends with `EXIT_USAGE`."""


def error_lines(error: BaseException) -> list[str]:
    """Return the message of an error: one line for each fault.

    >>> error_lines(TwinError("a\\nb"))
    ['error: a b']
    >>> error_lines(KeyError("x"))
    ["error: unexpected KeyError: 'x'; run it with --debug for the traceback, and report it"]
    """
    return [line for leaf in _leaves(error) for line in _lines(leaf)]


def settings_error_lines(error: ValidationError | SettingsError, secrets: Collection[str] = ()) -> list[str]:
    """Return a line for each wrong setting: its variable, the value found, and what is expected.

    The values of `secrets` are left out.
    """
    if isinstance(error, SettingsError):
        return [_one_line(str(error))]
    return [_setting_fault(detail, secrets) for detail in error.errors(include_url=False)]


def _setting_fault(detail: ErrorDetails, secrets: Collection[str]) -> str:
    if not detail["loc"]:
        return detail["msg"].removeprefix("Value error, ")
    variable = f"LIVETWIN_{'_'.join(str(part) for part in detail['loc']).upper()}"
    if detail["type"] == "missing":
        return f"{variable}: is missing"
    if detail["loc"][0] in secrets:
        return f"{variable}: expected: {detail['msg'].removeprefix('Value error, ')}"
    return f"{variable}: found {detail['input']!r}, expected: {detail['msg']}"


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _lines(error: BaseException) -> list[str]:
    match error:
        case CityError():
            return [str(fault) for fault in error.faults]
        case ConfigurationError():
            return [f"error: {fault}" for fault in error.faults]
        case TwinError():
            return [f"error: {_one_line(str(error))}"]
        case OSError() if error.strerror:
            name = f"{error.filename}: " if error.filename else ""
            return [f"error: {name}{error.strerror}"]
        case _:
            return [
                f"error: unexpected {type(error).__name__}: {_one_line(str(error))}; "
                "run it with --debug for the traceback, and report it"
            ]


def _one_line(text: str) -> str:
    return " ".join(text.split())
