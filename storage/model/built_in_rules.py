"""Digests of the built-in quality rules: a new version of the program with other ones judges again."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from typing import Any

import msgspec

from twin.model.observed_property import BUILT_IN_PROPERTIES, ObservedProperty

DIGEST_LENGTH = 16
"""Hexadecimal digits; two rules of one property do not have the same 64 bits by chance."""


def built_in_rules() -> dict[str, str]:
    """Return the digest of the rules of each built-in property, by its name."""
    return {name: rules_digest(one) for name, one in BUILT_IN_PROPERTIES.items()}


def rules_digest(property: ObservedProperty) -> str:
    """Return a digest of what verdicts and windows of a property depend on.

    Rules that are switched off do not count, so that a kind of rule that is new in the program changes only
    the digests of the properties that have one. Nor does `valid_when`: only ingest knows the other fields.
    """
    quality = replace(property.quality, valid_when=None)
    rules = (asdict(quality), property.aggregation, property.wraps_at)
    return hashlib.sha256(msgspec.json.encode(_stated(rules), order="sorted")).hexdigest()[:DIGEST_LENGTH]


def _stated(value: Any) -> Any:
    """Return a value without the members that are None, at any depth."""
    if isinstance(value, dict):
        return {key: _stated(member) for key, member in value.items() if member is not None}
    if isinstance(value, (list, tuple)):
        return [_stated(item) for item in value]
    return value
