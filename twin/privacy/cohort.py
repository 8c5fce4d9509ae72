"""Cohorts: over which connections a sum of households is published, so that no sum tells of one of them.

One cohort serves one area and one property, one closed window after the other. What it keeps
(docs/decisions/0009):

- a sum is over at least `CONNECTIONS_MIN` connections, and at least as many of them spoke in that window;
- any two sums published within `COHORT_BREAK` of each other are over the same connections, or over sets that
  differ in at least `CONNECTIONS_MIN`;
- a window is published once, in order of time, and never again: what arrives for it later is history only.
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

# A silent member counts with its last value for so long. No published source found for a day: it outlasts the
# outage of a gateway, and the same hour of yesterday is the worst that a carried value can be mistaken for.
CARRIED_MAX: Duration = DAY

# After so long without a publication a cohort may be formed anew from whoever is there. No published source
# found: what a household draws now says little about what it drew a day ago, least of all to the kilowatt.
COHORT_BREAK: Duration = DAY

# A first cohort waits so long for connections that are registered and have not spoken: a gateway that starts
# a little later would else be left out until ten changes have come together.
FORMING_MAX: Duration = HOUR

# Cohorts that are remembered: as many as may be formed within a break. Each change moves ten connections or
# more, so a day with more is one in which the area should rather be silent.
COHORTS_MAX = 4

# Members that may be left out on purpose, so that a change of few becomes one of enough.
LEFT_OUT_MAX = 3 * CONNECTIONS_MIN

# Digits after the point, in the property's unit: 1 W of power, 1 litre of gas. The fraction of a sum of means
# tells how many readings each mean had, and so whose they are.
DECIMALS = 3


class PublishedSum(msgspec.Struct, array_like=True, frozen=True):
    """What may be told of one window."""

    window: Instant  #: its start
    value: float  #: the sum, rounded to `DECIMALS`
    members: tuple[int, ...]  #: the connections that it is over, ascending; nobody outside may see which
    flags: int  #: `QualityFlag.ESTIMATED` when a member was silent and counts with its last value

    @property
    def count(self) -> int:
        """How many connections it is over."""
        return len(self.members)


class MemberValue(NamedTuple):
    """The last value of a member."""

    value: float
    window: Instant  #: the start of the window that it is of


class PastCohort(msgspec.Struct, array_like=True, frozen=True):
    """Connections that a sum was published over."""

    members: tuple[int, ...]  #: ascending
    window: Instant  #: the last one published over them, its start


class Cohort(msgspec.Struct, array_like=True, frozen=True):
    """What must be remembered between two windows of one area and property. Goes into a checkpoint."""

    window: Instant  #: the last one that was taken in, its start
    forming_since: Instant | None  #: when there were first enough connections and no cohort yet
    member_values: dict[int, MemberValue]  #: of the members of the newest cohort
    past: tuple[PastCohort, ...]  #: those of the last `COHORT_BREAK`, at most `COHORTS_MAX`, the newest last
    #: up to this window no other connections are published over than those of `past`: there were cohorts that
    #: are forgotten. None: all of them are known
    fixed_until: Instant | None = None

    @classmethod
    def from_last_publication(cls, last: PastCohort) -> Cohort:
        """Return what is left when only the last publication is known, not what was published before it."""
        return cls(last.window, None, {}, (last,), last.window + COHORT_BREAK)

    def members(self) -> frozenset[int]:
        """Return the connections of the newest cohort; none while there is no cohort."""
        return frozenset(self.past[-1].members) if self.past else frozenset()


def advance_cohort(
    cohort: Cohort | None, present: Mapping[int, float], window: Instant, registered: int = 0
) -> tuple[Cohort | None, PublishedSum | None]:
    """Take in a closed window; return the cohort after it, and what may be published of it.

    `present` holds, by connection, the value of the window (such as mean power, kW) of those that have a
    usable one. `registered` is how many connections the city model has there, for the first cohort to wait
    for. A window that is not after the last one changes nothing and publishes nothing.
    """
    if cohort is not None and window <= cohort.window:
        return cohort, None
    past = tuple(one for one in (cohort.past if cohort else ()) if window - one.window < COHORT_BREAK)
    known = _known(cohort, past, present, window)
    since = _forming_since(cohort, past, present, window)
    if not past and (cohort is None and since is None):
        return None, None
    fixed_until = cohort.fixed_until if cohort is not None else None
    if fixed_until is not None and window >= fixed_until:
        fixed_until = None
    patient = since is not None and len(present) < registered and window - since < FORMING_MAX
    chosen = None
    if not patient:
        wanted = frozenset(present.keys() | known.keys())
        chosen = _chosen(past, wanted, present.keys(), 0 if fixed_until is not None else COHORTS_MAX)
    if chosen is None:
        return Cohort(window, since, known, past, fixed_until), None
    # A member that was chosen speaks now or is known: `_chosen` takes from these alone.
    known = {
        one: MemberValue(present[one], window) if one in present else known[one] for one in sorted(chosen)
    }
    members = tuple(known)
    past = (*(one for one in past if one.members != members), PastCohort(members, window))
    silent = chosen - present.keys()
    value = round(math.fsum(one.value for one in known.values()), DECIMALS)
    flags = int(QualityFlag.ESTIMATED if silent else QualityFlag.NONE)
    return Cohort(window, None, known, past, fixed_until), PublishedSum(window, value, members, flags)


def _known(
    cohort: Cohort | None, past: tuple[PastCohort, ...], present: Mapping[int, float], window: Instant
) -> dict[int, MemberValue]:
    """Return the last value of each member of the newest cohort that spoke at most `CARRIED_MAX` ago."""
    if cohort is None or not past:
        return {}
    found = {}
    for member, last in cohort.member_values.items():
        if member in present:
            found[member] = MemberValue(present[member], window)
        elif window - last.window <= CARRIED_MAX:
            found[member] = last
    return found


def _forming_since(
    cohort: Cohort | None, past: tuple[PastCohort, ...], present: Mapping[int, float], window: Instant
) -> Instant | None:
    if past or len(present) < CONNECTIONS_MIN:
        return None
    return cohort.forming_since if cohort is not None and cohort.forming_since is not None else window


def _chosen(
    past: tuple[PastCohort, ...], wanted: frozenset[int], present: Set[int], cohorts_max: int
) -> frozenset[int] | None:
    """Return the connections to publish over, or None when there are none that tell of nobody.

    Those who joined wait while the cohort holds, until they are enough. When a member has left for good,
    others are left out with it, those of the lowest ids, until the change is one of enough connections.
    With `cohorts_max` cohorts in the past no other is formed.
    """
    earlier = [frozenset(one.members) for one in past]
    if earlier and earlier[-1] <= wanted:
        return next(
            (one for one in (wanted, earlier[-1]) if _may_follow(earlier, one, present, cohorts_max)), None
        )
    order = sorted(wanted)
    for benched in range(min(LEFT_OUT_MAX, max(0, len(order) - CONNECTIONS_MIN)) + 1):
        candidate = wanted.difference(order[:benched])
        if _may_follow(earlier, candidate, present, cohorts_max):
            return candidate
    return None


def _may_follow(
    earlier: list[frozenset[int]], candidate: frozenset[int], present: Set[int], cohorts_max: int
) -> bool:
    """Whether a sum over these connections may follow sums over the earlier ones."""
    if len(candidate & present) < CONNECTIONS_MIN:
        return False
    if candidate in earlier:
        return True
    return len(earlier) < cohorts_max and all(len(candidate ^ one) >= CONNECTIONS_MIN for one in earlier)
