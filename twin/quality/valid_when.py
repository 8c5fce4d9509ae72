"""Validity by another field of the same message (`ValidWhen`)."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidWhen:
    """A value is valid when another field of its message, of the same time, is within bounds.

    The bounds are in the unit that the device sends, before any conversion. All that are given must hold.
    """

    field: str  #: name, or dotted path, as that of a datastream
    above: float | None = None
    below: float | None = None
    minimum: float | None = None  #: inclusive
    maximum: float | None = None
    one_of: tuple[float, ...] = ()  #: empty: any value
    #: Whether the value is invalid in a message without the field. A device that sends the field in some
    #: messages only is not at fault in the others.
    required: bool = False

    def holds(self, value: float | None) -> bool:
        """Return whether a value is valid, given that of the field; None or NaN: there is no number.

        >>> [ValidWhen(field="uptime", above=0).holds(uptime) for uptime in (0.0, 0.4, None)]
        [False, True, True]
        """
        if value is None or math.isnan(value):
            return not self.required
        return (
            (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
            and (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (not self.one_of or value in self.one_of)
        )
