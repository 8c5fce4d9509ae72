"""Text in the two languages that the city is shown in."""

from __future__ import annotations

from typing import NamedTuple


class IndicatorText(NamedTuple):
    """The same, said twice."""

    english: str
    dutch: str
