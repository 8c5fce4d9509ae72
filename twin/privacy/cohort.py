"""Cohorts: over which connections a sum of households is published, so that no sum reveals one of them.

One cohort serves one entity and one property, one closed window after the other. Its guarantees
(docs/decisions/0009):

- a sum is over at least `CONNECTIONS_MIN` connections, and at least as many of them reported in that window;
- any two sums published within `COHORT_BREAK` of each other are over the same connections, or over sets that
  differ in at least `CONNECTIONS_MIN`;
- a window is published once, in order of time; readings that arrive for it later go to history only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Set
from typing import NamedTuple

import msgspec

from twin.instant import DAY, HOUR, Duration, Instant
from twin.quality.quality_flags import QualityFlag

# "Per regel minimaal 10 aansluitingen": Stedin, open data verbruiksgegevens (stedin.net/zakelijk/open-data).
CONNECTIONS_MIN = 10

# How long a silent member counts with its last value. No published source found for a day: it outlasts the
# outage of a gateway, and such a value is at worst mistaken for that of the same hour of the day before.
CARRIED_MAX: Duration = DAY

# After this time without a publication a new cohort may be formed from the connections present. No published
# source found: the power of a household now reveals little about its power a day ago.
COHORT_BREAK: Duration = DAY

# How long a first cohort waits for registered connections that have not reported yet. Otherwise a gateway
# that starts a little later would be left out until ten changes have accumulated.
FORMING_MAX: Duration = HOUR

# Cohorts that are remembered: as many as may be formed within a break. Each change concerns at least ten
# connections; on a day with more changes the entity publishes nothing.
COHORTS_MAX = 4

# Members that may be left out on purpose, so that a small change becomes one of enough connections.
LEFT_OUT_MAX = 3 * CONNECTIONS_MIN

# Decimals in the property's unit: 1 W of power, 1 litre of gas. More decimals of a sum of means would reveal
# how many readings each mean had, and so whose they are.
DECIMALS = 3


class PublishedSum(msgspec.Struct, array_like=True, frozen=True):
    """The sum of one window that may be published."""

    window: Instant  #: its start
    value: float  #: the sum, rounded to `DECIMALS`
    members: tuple[int, ...]  #: the connections in the sum, ascending; never shown outside
    flags: int  #: `QualityFlag.ESTIMATED` when a silent member counts with its last value

    @property
    def count(self) -> int:
        """The number of connections in the sum."""
        return len(self.members)


class MemberValue(NamedTuple):
    """The last value of a member."""

    value: float
    window: Instant  #: start of the window of this value


class PastCohort(msgspec.Struct, array_like=True, frozen=True):
    """Connections over which a sum was published."""

    members: tuple[int, ...]  #: ascending
    window: Instant  #: start of the last window published over them


class Cohort(msgspec.Struct, array_like=True, frozen=True):
    """The state between two windows of one entity and property. Goes into a checkpoint."""

    window: Instant  #: start of the last window
    forming_since: Instant | None  #: since when there are enough connections, but no cohort yet
    member_values: dict[int, MemberValue]  #: of the members of the newest cohort
    past: tuple[PastCohort, ...]  #: those of the last `COHORT_BREAK`, at most `COHORTS_MAX`, the newest last
    #: until this window only cohorts in `past` may be published, because earlier ones are not known. None:
    #: all are known
    fixed_until: Instant | None = None

    @classmethod
    def from_last_publication(cls, last: PastCohort) -> Cohort:
        """Return the cohort when only the last publication is known, not the ones before it."""
        return cls(last.window, None, {}, (last,), last.window + COHORT_BREAK)

    def members(self) -> frozenset[int]:
        """Return the connections of the newest cohort; empty without a cohort."""
        return frozenset(self.past[-1].members) if self.past else frozenset()


def advance_cohort(
    cohort: Cohort | None, present: Mapping[int, float], window: Instant, registered: int = 0
) -> tuple[Cohort | None, PublishedSum | None]:
    """Process a closed window; return the new cohort, and the sum that may be published.

    `present` holds the usable values of the window (such as mean power, kW) by connection. `registered` is
    the number of connections in the city model, for which the first cohort waits. Ignore a window that is not
    after the last one.
    """
    if cohort is not None and window <= cohort.window:
        return cohort, None
    past = tuple(one for one in (cohort.past if cohort else ()) if window - one.window < COHORT_BREAK)
    values = _member_values(cohort, past, present, window)
    since = _forming_since(cohort, past, present, window)
    if not past and (cohort is None and since is None):
        return None, None
    fixed_until = cohort.fixed_until if cohort is not None else None
    if fixed_until is not None and window >= fixed_until:
        fixed_until = None
    is_forming = since is not None and len(present) < registered and window - since < FORMING_MAX
    chosen = None
    if not is_forming:
        candidates = frozenset(present.keys() | values.keys())
        chosen = _chosen(past, candidates, present.keys(), 0 if fixed_until is not None else COHORTS_MAX)
    if chosen is None:
        return Cohort(window, since, values, past, fixed_until), None
    # Each chosen member has a value now or a known one: `_chosen` chooses from these only.
    values = {
        one: MemberValue(present[one], window) if one in present else values[one] for one in sorted(chosen)
    }
    members = tuple(values)
    past = (*(one for one in past if one.members != members), PastCohort(members, window))
    total = round(math.fsum(one.value for one in values.values()), DECIMALS)
    has_silent_members = bool(chosen - present.keys())
    flags = int(QualityFlag.ESTIMATED if has_silent_members else QualityFlag.NONE)
    return Cohort(window, None, values, past, fixed_until), PublishedSum(window, total, members, flags)


def _member_values(
    cohort: Cohort | None, past: tuple[PastCohort, ...], present: Mapping[int, float], window: Instant
) -> dict[int, MemberValue]:
    """Return the last value of each member of the newest cohort that reported at most `CARRIED_MAX` ago."""
    if cohort is None or not past:
        return {}
    values = {}
    for member, last in cohort.member_values.items():
        if member in present:
            values[member] = MemberValue(present[member], window)
        elif window - last.window <= CARRIED_MAX:
            values[member] = last
    return values


def _forming_since(
    cohort: Cohort | None, past: tuple[PastCohort, ...], present: Mapping[int, float], window: Instant
) -> Instant | None:
    if past or len(present) < CONNECTIONS_MIN:
        return None
    return cohort.forming_since if cohort is not None and cohort.forming_since is not None else window


def _chosen(
    past: tuple[PastCohort, ...], candidates: frozenset[int], present: Set[int], cohorts_max: int
) -> frozenset[int] | None:
    """Return the connections to publish over; None when every sum would reveal a single one.

    New connections wait until they are enough. When a member is gone, others are left out with it, in the
    order of their ids, until the change is one of enough connections. With `cohorts_max` past cohorts no new
    one is formed.
    """
    earlier = [frozenset(one.members) for one in past]
    if earlier and earlier[-1] <= candidates:
        return next(
            (one for one in (candidates, earlier[-1]) if _may_follow(earlier, one, present, cohorts_max)),
            None,
        )
    order = sorted(candidates)
    for left_out in range(min(LEFT_OUT_MAX, max(0, len(order) - CONNECTIONS_MIN)) + 1):
        candidate = candidates.difference(order[:left_out])
        if _may_follow(earlier, candidate, present, cohorts_max):
            return candidate
    return None


def _may_follow(
    earlier: list[frozenset[int]], candidate: frozenset[int], present: Set[int], cohorts_max: int
) -> bool:
    """Return whether a sum over these connections may follow sums over the earlier ones."""
    if len(candidate & present) < CONNECTIONS_MIN:
        return False
    if candidate in earlier:
        return True
    return len(earlier) < cohorts_max and all(len(candidate ^ one) >= CONNECTIONS_MIN for one in earlier)
