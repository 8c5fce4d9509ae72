"""Quality words in payloads: what a source itself says of its values.

A member `quality` is a word or a list of words for all values of a message, or an object of fields:
`{"level": "doubtful"}`. The words follow Delft-FEWS (reliable, doubtful and unreliable; original, corrected
and completed), whose flags `simulators.replay.fews_pi` maps to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ingest.decoding import PayloadError
from ingest.formats.json_payload import short_repr
from twin.quality.plausibility import QuarantineReason
from twin.quality.quality_flags import QualityFlag

QUALITY_WORDS: Mapping[str, int] = {
    "good": 0,
    "estimated": int(QualityFlag.ESTIMATED),  # computed or filled in
    "doubtful": int(QualityFlag.SOURCE_DOUBTFUL),
    "unreliable": int(QualityFlag.SOURCE_DOUBTFUL),
    "maintenance": int(QualityFlag.MAINTENANCE),  # measured while the sensor was being worked on
}


def flags_of_words(words: Any, where: str) -> int:
    """Return the flags of a word or of a list of words; null has none. Raises PayloadError.

    >>> flags_of_words(["doubtful", "estimated"], "'quality'")
    16386
    """
    flags = 0
    for word in words if isinstance(words, list) else () if words is None else (words,):
        known = QUALITY_WORDS.get(word) if isinstance(word, str) else None
        if known is None:
            raise PayloadError(
                QuarantineReason.MALFORMED,
                f"{where} is {short_repr(word)}, expected one of {', '.join(QUALITY_WORDS)}",
            )
        flags |= known
    return flags


def flags_by_field(quality: Any, where: str) -> tuple[int, Mapping[str, int]]:
    """Return the flags of a member `quality`: of the fields without their own, and of single fields."""
    if not isinstance(quality, dict):
        return flags_of_words(quality, where), {}
    return 0, {
        field: flags_of_words(words, f"{where} of {short_repr(field)}") for field, words in quality.items()
    }
