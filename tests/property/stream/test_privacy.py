"""An attacker reads all that entities and areas tell of a town, live, through restarts and lost logs."""

from __future__ import annotations

import math
from itertools import combinations
from typing import NamedTuple

from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from tests.support.cities.household_city import household_city, with_only_meters, with_subareas
from tests.support.oracles.differencing_risks import differencing_risks
from tests.support.pipelines.household_pipeline import PROPERTY, HouseholdPipeline
from twin.instant import MINUTE, Instant
from twin.privacy.cohort import COHORT_BREAK, CONNECTIONS_MIN
from twin.privacy.household_sum import HOUSEHOLD_WINDOW
from twin.state.freshness import live_duration
from twin.wire.messages import Update, UpdateKind

COUNTS = (24, 13, 9)
METERS = frozenset(range(1, sum(COUNTS) + 1))
TOWN = with_subareas(household_city(*COUNTS), registers=14)

few_or_many = st.one_of(
    st.just(frozenset[int]()),
    st.frozensets(st.sampled_from(sorted(METERS)), max_size=3),
    st.frozensets(st.sampled_from(sorted(METERS)), min_size=8, max_size=25),
)
events = st.sampled_from(["", "", "", "late", "late", "restart", "replay", "log", "meters"])
stage_gaps = st.sampled_from([1, 1, 1, 1, 1, 2, 6, 140, 144, 145])


class Happening(NamedTuple):
    """A window, and what goes wrong around it."""

    gap: int  #: windows since the one before
    change: frozenset[int]  #: meters that begin or cease to speak
    event: str
    some: frozenset[int]  #: whom it is about
    ticks: tuple[int, ...]  #: minutes after the window's end at which the clock goes on


happenings = st.lists(
    st.builds(
        Happening,
        stage_gaps,
        few_or_many,
        events,
        few_or_many,
        st.sampled_from([(), (1,), (1, 4, 8), (4, 8), (9,)]),
    ),
    min_size=1,
    max_size=14,
)


def live(story: list[Happening], silent: frozenset[int]) -> HouseholdPipeline:
    """Return what the stages tell of the town while this happens to it."""
    run = HouseholdPipeline(TOWN)
    speaking, registered, window = METERS - silent, METERS, 0
    for number, one in enumerate(story, start=2):
        before, window = window, window + one.gap * HOUSEHOLD_WINDOW
        speaking ^= one.change
        run.report(speaking, window, window + HOUSEHOLD_WINDOW - MINUTE // 2, 0)
        end = window + HOUSEHOLD_WINDOW
        match one.event:
            case "late":
                run.report(one.some, before, end, number)
            case "restart":
                run.restart(0)
            case "replay":
                run.restart(2)
            case "log":
                run.replace_log()
            case "meters":
                registered ^= one.some
                run.replace_model(with_only_meters(TOWN, registered, number), end)
        for minutes in one.ticks:
            run.advance(end + minutes * MINUTE)
        run.checkpoint()
    run.advance(window + 2 * HOUSEHOLD_WINDOW)
    run.advance(window + 3 * HOUSEHOLD_WINDOW)
    return run


QUIET = Happening(1, frozenset(), "", frozenset(), (1, 4, 8))
JOINED = frozenset(range(1, 12))
# Eleven join; the log is lost, and with it the memory of the cohort before; but one of them cease to speak.
NEARLY_BACK = [
    *[QUIET] * 9,
    *[QUIET._replace(change=JOINED), QUIET, QUIET._replace(change=JOINED - {1}, event="log"), QUIET, QUIET],
]
stories = given(happenings, few_or_many)
# To shorten a story that fails takes longer than to read it.
thorough = settings(max_examples=50, phases=[Phase.explicit, Phase.reuse, Phase.generate])


@thorough
@example(NEARLY_BACK, JOINED)
@stories
def test_what_entities_tell_is_over_enough_that_are_the_same_or_others_enough(
    story: list[Happening], silent: frozenset[int]
) -> None:
    told = live(story, silent).published
    assert all(len(one.members) >= CONNECTIONS_MIN for one in told)
    for earlier, later in combinations(told, 2):
        if earlier.entity == later.entity and later.window - earlier.window < COHORT_BREAK:
            difference = len(earlier.members ^ later.members)
            assert difference == 0 or difference >= CONNECTIONS_MIN


@thorough
@stories
def test_no_combination_of_what_entities_tell_is_over_few_readings(
    story: list[Happening], silent: frozenset[int]
) -> None:
    """Take any combination of sums, and of them an entity's newest.

    It holds readings of ten that no older sum holds, as each window is told once and in order; the sums of
    other entities hold none of them, as no connection is in two.
    """
    run = live(story, silent)
    newest: dict[str, Instant] = {}
    for one in run.published:
        assert one.window > newest.get(one.entity, -HOUSEHOLD_WINDOW)
        newest[one.entity] = one.window
        assert len(one.reporting) >= CONNECTIONS_MIN
        assert one.members <= {id for id in METERS if TOWN.datastreams[id].entity == one.entity}
        readings = [run.sent[member, one.window] for member in one.members]
        if not one.estimated and all(len(values) == 1 for values in readings):
            assert math.isclose(one.value, math.fsum(map(min, readings)), abs_tol=6e-4)
    for window in {one.window for one in run.published}:
        assert (
            differencing_risks({one.entity: one.members for one in run.published if one.window == window})
            == []
        )


@thorough
@stories
def test_areas_tell_sums_of_what_was_told_and_nothing_else(
    story: list[Happening], silent: frozenset[int]
) -> None:
    run = live(story, silent)
    parents = {id: one.parent for id, one in TOWN.entities.items()}
    known: dict[str, Update] = {}
    for number, one in enumerate(run.updates):
        if number in run.log_starts:
            # With the log the areas forget; their entities tell again what was last stored of them.
            known = {id: told for id, told in known.items() if not told.property.startswith("area_")}
        if one.kind != UpdateKind.INDICATOR:
            continue
        if one.property == f"area_{PROPERTY}":
            assert (one.datastreams, one.deviating, one.observation, one.last_good) == ((), (), None, None)
            below = [other for id, other in known.items() if parents[id] == one.entity]
            moment = max(other.phenomenon_time for other in below)
            counted = [other for other in below if _valid_until(other) >= moment]
            assert math.isclose(one.value, math.fsum(other.value for other in counted), abs_tol=1e-9)
            assert one.count == sum(other.count for other in counted) >= CONNECTIONS_MIN
        known[one.entity] = one


def _valid_until(update: Update) -> Instant:
    """Return until when a value counts in the area above, as everybody may compute it."""
    return update.phenomenon_time + live_duration(update.interval)


@thorough
@stories
def test_nothing_else_has_the_name_of_what_households_measure(
    story: list[Happening], silent: frozenset[int]
) -> None:
    run = live(story, silent)
    for one in run.updates:
        if one.kind == UpdateKind.PERSONAL:
            assert math.isnan(one.value)
        else:
            assert (one.kind, one.count >= CONNECTIONS_MIN) == (UpdateKind.INDICATOR, True)
            assert one.property in (PROPERTY, f"area_{PROPERTY}")
    told = {(one.entity, one.property.removeprefix("area_"), one.value) for one in run.updates}
    assert all((one.source, one.name, one.value) in told for one in run.inputs)


def test_a_story_without_mishaps_tells_every_window_of_the_areas_that_are_large_enough() -> None:
    """What is checked above would hold of a stage that tells nothing."""
    run = live([QUIET] * 6, frozenset())
    assert [one.entity for one in run.published] == ["town.transformer-0", "town.transformer-1"] * 6
    areas = {one.entity for one in run.updates if one.property == f"area_{PROPERTY}"}
    assert areas == {"town", "town.east", "town.east.quay"}
