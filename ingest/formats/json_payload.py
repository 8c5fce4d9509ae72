"""JSON payloads: parsed within bounds, and searched for numbers.

Rules for every JSON format:

- `NaN` and `Infinity` are not JSON (RFC 8259 §6): malformed. A number too large for a float becomes infinite,
  and is checked later like every value.
- true is 1 and false is 0. Text that spells a number is that number, since bridges and firmwares send such
  text. Other text is NaN, which is rejected where a city maps the field: so no value is lost without a
  reason.
- null is no value. Of a repeated key the last one counts.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from ingest.decoding import PayloadError
from twin.quality.plausibility import QuarantineReason
from twin.wire.json_nesting import JsonNestingError, check_json_nesting

# Device payloads are two or three levels deep; a hundred channels are many.
DEPTH_MAX = 8
VALUES_MAX = 1_000
PATH_CHARACTERS_MAX = 256

_REPR_CHARACTERS_MAX = 80
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")

_decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode


def parse_json(payload: bytes) -> Any:
    """Return the value of a JSON text; raise PayloadError when it is not JSON."""
    try:
        check_json_nesting(payload)
        return _decode(payload)
    except JsonNestingError as error:
        raise PayloadError(QuarantineReason.MALFORMED, str(error)) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise PayloadError(QuarantineReason.MALFORMED, f"expected JSON: {error}") from error


def parse_object(payload: bytes) -> dict[str, Any]:
    """Return the payload as a JSON object; raise PayloadError when it is not one."""
    return as_object(parse_json(payload), "the payload")


def as_object(value: Any, where: str) -> dict[str, Any]:
    """Return the value if it is a JSON object; raise PayloadError otherwise."""
    if not isinstance(value, dict):
        raise PayloadError(
            QuarantineReason.MALFORMED, f"{where} is {short_repr(value)}, expected a JSON object"
        )
    return value


def as_list(value: Any, where: str) -> list[Any]:
    """Return the value if it is a JSON array; raise PayloadError otherwise."""
    if not isinstance(value, list):
        raise PayloadError(
            QuarantineReason.MALFORMED, f"{where} is {short_repr(value)}, expected a JSON array"
        )
    return value


def short_repr(value: object) -> str:
    """Return a value for an error message: shortened, and without control characters.

    >>> short_repr("x" * 100)[-5:]
    'xxxx…'
    """
    if isinstance(value, int) and value.bit_length() > _REPR_CHARACTERS_MAX:
        return "a huge integer"
    if isinstance(value, dict | list):
        return f"{'an object' if isinstance(value, dict) else 'an array'} of {len(value)}"
    text = repr(value)
    return text if len(text) <= _REPR_CHARACTERS_MAX else text[: _REPR_CHARACTERS_MAX - 1] + "…"


def parse_decimal(text: str) -> float:
    """Return the number that a text spells in ASCII decimals, or NaN.

    >>> parse_decimal(" 12.35"), parse_decimal("1_000"), parse_decimal("nan")
    (12.35, nan, nan)
    """
    text = text.strip()
    return float(text) if _DECIMAL.fullmatch(text) else math.nan


def as_number(value: Any) -> float:
    """Return a JSON scalar as a float, by the rules of this module; null and other types are NaN."""
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return parse_decimal(value) if isinstance(value, str) else math.nan


def leaves(document: Mapping[str, Any], where: str) -> Iterator[tuple[str, float]]:
    """Yield every scalar in a JSON object, as its dotted path and its number; nulls are left out.

    An array element is named by its index, from 0. Raises PayloadError for more than `VALUES_MAX` scalars,
    for one deeper than `DEPTH_MAX`, and for an object or array at a longer path than `PATH_CHARACTERS_MAX`.

    >>> list(leaves({"air": {"pm2_5": 8}, "bins": [True]}, "the payload"))
    [('air.pm2_5', 8.0), ('bins.0', 1.0)]
    """
    count = 0
    pending: list[tuple[str, Any, int]] = [(key, value, 1) for key, value in reversed(list(document.items()))]
    while pending:
        path, value, depth = pending.pop()
        if isinstance(value, dict | list):
            if depth >= DEPTH_MAX:
                raise PayloadError(
                    QuarantineReason.MALFORMED,
                    f"{where} is nested deeper than {DEPTH_MAX} levels at {short_repr(path)}",
                )
            if len(value) > VALUES_MAX or len(path) > PATH_CHARACTERS_MAX:
                raise PayloadError(
                    QuarantineReason.MALFORMED,
                    f"{where} has {len(value)} members at {short_repr(path)}; at most {VALUES_MAX} are read, "
                    f"at paths of at most {PATH_CHARACTERS_MAX} characters",
                )
            members = value.items() if isinstance(value, dict) else enumerate(value)
            children = [(f"{path}.{name}", member, depth + 1) for name, member in members]
            pending.extend(reversed(children))
        elif value is not None:
            count += 1
            if count > VALUES_MAX:
                raise PayloadError(QuarantineReason.MALFORMED, f"{where} holds more than {VALUES_MAX} values")
            yield path, as_number(value)
