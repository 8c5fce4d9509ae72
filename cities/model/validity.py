"""Conditions on another field of a message (`validWhen`): checked, read and written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from cities.files.schema import ValidWhenItem
from twin.quality.valid_when import ValidWhen


def validity_faults(item: ValidWhenItem) -> Iterator[tuple[str, str]]:
    """Yield the faults between the keys of a condition, as key and message."""
    lows = [bound for bound in (item.above, item.minimum) if bound is not None]
    highs = [bound for bound in (item.below, item.maximum) if bound is not None]
    if not lows and not highs and not item.one_of:
        if not item.required:
            yield (
                "field",
                f"the condition on {item.field} has no bound, expected at least one of above, below, "
                "minimum, maximum and oneOf, or required: true",
            )
        return
    allowed = [value for value in item.one_of if to_valid_when(item).holds(value)]
    if item.one_of and not allowed:
        yield "oneOf", "no value of oneOf is within the other bounds, so every value would be invalid"
    elif lows and highs and not item.one_of:
        low, high = max(lows), min(highs)
        closed = low not in (item.above, item.below) and high not in (item.above, item.below)
        if low > high or (low == high and not closed):
            key = "below" if high == item.below else "maximum"
            yield key, f"found {high:g}, expected more than {low:g}: otherwise every value is invalid"


def to_valid_when(item: ValidWhenItem) -> ValidWhen:
    """Return the condition of an item."""
    return ValidWhen(
        field=item.field,
        above=item.above,
        below=item.below,
        minimum=item.minimum,
        maximum=item.maximum,
        one_of=tuple(item.one_of),
        required=item.required,
    )


def from_valid_when(condition: ValidWhen) -> ValidWhenItem:
    """Return the item of a condition, to be written."""
    return ValidWhenItem.of(**{**asdict(condition), "one_of": list(condition.one_of)})
