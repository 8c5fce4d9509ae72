"""An attacker reads all live values of entities and areas, through restarts and lost logs."""

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


class WindowEvent(NamedTuple):
    """A window, and the faults around it."""

    gap: int  #: windows since the one before
    change: frozenset[int]  #: meters that begin or cease to report
    event: str
    some: frozenset[int]  #: the meters concerned
    ticks: tuple[int, ...]  #: minutes after the window's end at which the clock advances


happenings = st.lists(
    st.builds(
        WindowEvent,
        stage_gaps,
        few_or_many,
        events,
        few_or_many,
        st.sampled_from([(), (1,), (1, 4, 8), (4, 8), (9,)]),
    ),
    min_size=1,
    max_size=14,
)


def live(story: list[WindowEvent], silent: frozenset[int]) -> HouseholdPipeline:
    """Return the output of the stages while this happens to the town."""
    run = HouseholdPipeline(TOWN)
    speaking, registered, window = METERS - silent, METERS, 0
    for number, event in enumerate(story, start=2):
        before, window = window, window + event.gap * HOUSEHOLD_WINDOW
        speaking ^= event.change
        run.report(speaking, window, window + HOUSEHOLD_WINDOW - MINUTE // 2, 0)
        end = window + HOUSEHOLD_WINDOW
        match event.event:
            case "late":
                run.report(event.some, before, end, number)
            case "restart":
                run.restart(0)
            case "replay":
                run.restart(2)
            case "log":
                run.replace_log()
            case "meters":
                registered ^= event.some
                run.replace_model(with_only_meters(TOWN, registered, number), end)
        for minutes in event.ticks:
            run.advance(end + minutes * MINUTE)
        run.checkpoint()
    run.advance(window + 2 * HOUSEHOLD_WINDOW)
    run.advance(window + 3 * HOUSEHOLD_WINDOW)
    return run


QUIET = WindowEvent(1, frozenset(), "", frozenset(), (1, 4, 8))
JOINED = frozenset(range(1, 12))
# Eleven join; the log and the earlier cohort are lost; all but one of them cease to report.
NEARLY_BACK = [
    *[QUIET] * 9,
    *[QUIET._replace(change=JOINED), QUIET, QUIET._replace(change=JOINED - {1}, event="log"), QUIET, QUIET],
]
stories = given(happenings, few_or_many)
# Shrinking a failing story takes longer than reading it.
thorough = settings(max_examples=50, phases=[Phase.explicit, Phase.reuse, Phase.generate])


@thorough
@example(NEARLY_BACK, JOINED)
@stories
def test_sums_of_entities_have_enough_members_that_stay_or_that_change(
    story: list[WindowEvent], silent: frozenset[int]
) -> None:
    published = live(story, silent).published
    assert all(len(one.members) >= CONNECTIONS_MIN for one in published)
    for earlier, later in combinations(published, 2):
        if earlier.entity == later.entity and later.window - earlier.window < COHORT_BREAK:
            difference = len(earlier.members ^ later.members)
            assert difference == 0 or difference >= CONNECTIONS_MIN


@thorough
@stories
def test_no_combination_of_sums_of_entities_reveals_few_readings(
    story: list[WindowEvent], silent: frozenset[int]
) -> None:
    """Check any combination of sums by the newest sum of an entity in it.

    It contains readings of ten that no older sum contains, as each window is emitted once and in order. The
    sums of other entities contain none of them, as no connection belongs to two.
    """
    run = live(story, silent)
    newest: dict[str, Instant] = {}
    for published in run.published:
        assert published.window > newest.get(published.entity, -HOUSEHOLD_WINDOW)
        newest[published.entity] = published.window
        assert len(published.reporting) >= CONNECTIONS_MIN
        assert published.members <= {id for id in METERS if TOWN.datastreams[id].entity == published.entity}
        readings = [run.sent[member, published.window] for member in published.members]
        if not published.estimated and all(len(values) == 1 for values in readings):
            assert math.isclose(published.value, math.fsum(map(min, readings)), abs_tol=6e-4)
    for window in {one.window for one in run.published}:
        assert (
            differencing_risks({one.entity: one.members for one in run.published if one.window == window})
            == []
        )


@thorough
@stories
def test_areas_emit_only_sums_of_published_values(story: list[WindowEvent], silent: frozenset[int]) -> None:
    run = live(story, silent)
    parents = {id: one.parent for id, one in TOWN.entities.items()}
    known: dict[str, Update] = {}
    for number, update in enumerate(run.updates):
        if number in run.log_starts:
            # Areas lose their state with the log; their entities send their last stored values again.
            known = {id: one for id, one in known.items() if not one.property.startswith("area_")}
        if update.kind != UpdateKind.INDICATOR:
            continue
        if update.property == f"area_{PROPERTY}":
            assert (update.datastreams, update.deviating, update.observation, update.last_good) == (
                (),
                (),
                None,
                None,
            )
            below = [other for id, other in known.items() if parents[id] == update.entity]
            moment = max(other.phenomenon_time for other in below)
            counted = [other for other in below if _valid_until(other) >= moment]
            assert math.isclose(update.value, math.fsum(other.value for other in counted), abs_tol=1e-9)
            assert update.count == sum(other.count for other in counted) >= CONNECTIONS_MIN
        known[update.entity] = update


def _valid_until(update: Update) -> Instant:
    """Return until when a value counts in the area above, by a public formula."""
    return update.phenomenon_time + live_duration(update.interval)


@thorough
@stories
def test_no_other_value_has_the_name_of_a_household_property(
    story: list[WindowEvent], silent: frozenset[int]
) -> None:
    run = live(story, silent)
    for update in run.updates:
        if update.kind == UpdateKind.PERSONAL:
            assert math.isnan(update.value)
        else:
            assert update.kind in (UpdateKind.INDICATOR, UpdateKind.AMENDMENT)
            assert update.count >= CONNECTIONS_MIN
            assert update.property in (PROPERTY, f"area_{PROPERTY}")
    published = {(one.entity, one.property.removeprefix("area_"), one.value) for one in run.updates}
    # What says that storage computes slots has no value.
    valued = (one for one in run.inputs if one.value is not None)
    assert all((one.source, one.name, one.value) in published for one in valued)


def test_without_faults_every_window_of_large_enough_areas_is_emitted() -> None:
    """The checks above would also pass for a stage that emits nothing."""
    run = live([QUIET] * 6, frozenset())
    assert [one.entity for one in run.published] == ["town.transformer-0", "town.transformer-1"] * 6
    areas = {one.entity for one in run.updates if one.property == f"area_{PROPERTY}"}
    assert areas == {"town", "town.east", "town.east.quay"}
