"""The lineage of a value of an area names the entities that could be behind it and are not."""

from __future__ import annotations

from typing import Any

from api.http.models import Link
from api.lineage.derived_lineage import missing_entities
from api.lineage.models import ContributionModel, LineageLinks
from tests.support.cities.city_builder import CityBuilder
from twin.instant import HOUR, MINUTE, Instant, format_instant, parse_instant
from twin.model.city_model import CityModel
from twin.model.names import resolve_name

NOON = parse_instant("2026-11-23T12:00:00Z")


def town() -> CityModel:
    """Two streets and a quarter with one, which measure each hour; and one that measures something else."""
    builder = CityBuilder().entity("town", "Municipality").entity("town.quarter", "Neighbourhood")
    for entity in ("town.a", "town.b", "town.quarter.c"):
        builder.entity(entity, "Street").sensor(entity, entity, "pm2_5", "no2", interval=HOUR)
    return builder.entity("town.d", "Street").sensor("d", "town.d", "noise_level", interval=HOUR).model()


def contribution(entity: str, time: Instant, property: str = "pm2_5", **other: Any) -> ContributionModel:
    members: dict[str, Any] = {"quality": "good", **other}
    return ContributionModel(
        entity_id=entity,
        property=property,
        value=11.2,
        unit="ug/m3",
        phenomenon_time=format_instant(time),
        count=1,
        links=LineageLinks(provenance=Link(href=f"/v1/entities/{entity}/provenance")),
        **members,
    )


def missing(
    *contributions: ContributionModel, name: str = "area_pm2_5", value: Instant | None = NOON
) -> list[str]:
    model = town()
    resolved = resolve_name(name, model)
    assert resolved is not None
    return missing_entities("town", resolved, value, contributions, model)


def test_an_area_without_a_value_misses_all_that_could_have_one() -> None:
    assert missing(value=None) == ["town.a", "town.b", "town.quarter"]
    assert missing() == ["town.a", "town.b", "town.quarter"]


def test_an_entity_with_a_value_in_the_slot_is_not_missing() -> None:
    quarter = contribution("town.quarter", NOON, "area_pm2_5", members=1)
    assert missing(contribution("town.a", NOON + 20 * MINUTE), quarter) == ["town.b"]


def test_suspect_values_and_areas_without_members_are_missing() -> None:
    found = missing(
        contribution("town.a", NOON, quality="suspect"),
        contribution("town.b", NOON, quality="maintenance"),
        contribution("town.quarter", NOON, "area_pm2_5", members=0),
    )
    assert found == ["town.a", "town.b", "town.quarter"]


def test_a_value_counts_as_long_as_it_is_live() -> None:
    """A value of an hourly sensor is live for two and a half hours: it counts in two slots after its own."""
    quarter = contribution("town.quarter", NOON, "area_pm2_5", members=1)
    for hours, is_missing in ((1, False), (2, False), (3, True)):
        found = missing(contribution("town.a", NOON - hours * HOUR), contribution("town.b", NOON), quarter)
        assert (found == ["town.a"]) == is_missing, hours


def test_an_indicator_of_windows_is_dated_to_the_end_of_its_slot() -> None:
    quarter = contribution("town.quarter", NOON, "area_lki", members=1)
    for time, is_missing in ((NOON, False), (NOON - 2 * HOUR, False), (NOON - 3 * HOUR, True)):
        found = missing(
            contribution("town.a", time, "lki"), contribution("town.b", NOON, "lki"), quarter, name="area_lki"
        )
        assert (found == ["town.a"]) == is_missing, format_instant(time)
