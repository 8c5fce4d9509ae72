"""Buckets from parts: coverage, flags and figures of all datastreams together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from storage.bucket_part import Aggregate, Bucket, Part, combined
from storage.history_source import Kept
from twin.instant import Instant, from_datetime
from twin.observed_property import Aggregation, Combination

Fill: TypeAlias = Literal["null", "none"]
Parts: TypeAlias = dict[tuple[Instant, int], Part]
"""By start of the bucket and datastream."""


class Ask(NamedTuple):
    """What was asked for."""

    start: Instant
    end: Instant
    wanted: list[Aggregate]
    kind: Aggregation
    combination: Combination
    fill: Fill


def assembled(
    edges: Sequence[tuple[Instant, Instant]],
    kept: Sequence[Kept],
    found: Parts,
    ask: Ask,
) -> list[Bucket]:
    """Return the buckets between `edges` from the parts of datastreams, oldest first."""
    since = _known_since(kept, found)
    result: list[Bucket] = []
    for start, end in edges:
        parts = [part for one in kept if (part := found.get((start, one.id))) is not None]
        if not parts and ask.fill == "none":
            continue
        asked = min(end, ask.end) - max(start, ask.start)
        got = wanted = 0.0
        for one in kept:
            part = found.get((start, one.id))
            known = one.id in since and since[one.id] < end
            if one.interval and (part or (known and (one.retired is None or one.retired > start))):
                # What a datastream should have sent in the part of the bucket that was asked for.
                expected = asked / one.interval
                wanted += expected
                got += min(part.count, expected) if part else 0.0
        flags = 0
        for part in parts:
            flags |= part.flags
        figures = combined(parts, ask.wanted, ask.kind, ask.combination)
        result.append(
            Bucket(
                start,
                end,
                sum(one.count for one in parts),
                got / wanted if wanted else None,
                flags,
                figures,
                sum(one.suspect for one in parts),
            )
        )
    return result


def _known_since(kept: Sequence[Kept], found: Parts) -> dict[int, Instant]:
    """Return since when each datastream should have sent something.

    That is when the city learned of it, or its first value here: recordings are older than the city, and a
    gap in them is a gap.
    """
    since = {one.id: one.created for one in kept if one.created is not None}
    for start, id in found:
        if id in since and start < since[id]:
            since[id] = start
    return since


def take(found: Parts, rows: Iterable[Sequence[Any]]) -> None:
    """Add the rows of `list_buckets` and its like, which come after those taken so far, to parts."""
    for start, datastream, *figures in rows:
        part = Part.of(figures)
        key = from_datetime(start), datastream
        if key in found:
            found[key].add(part)
        else:
            found[key] = part
