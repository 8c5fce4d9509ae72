"""The permissions of each role, and the refusal of others."""

from __future__ import annotations

from http import HTTPStatus
from typing import get_args

import pytest

from api.access.authorization import may_see_datastream, require_role, require_role_at
from api.access.principal import Principal
from api.access.rights import PUBLIC, Rights, rights_of_role
from api.http.problems import ProblemError
from tests.support.cities.city_builder import CityBuilder
from twin.model.city_model import CityModel
from twin.model.role import GRANTABLE_ROLES, ROLES_ASCENDING, Role, role_includes


@pytest.fixture
def areas() -> CityModel:
    """A city of two districts, one with a neighbourhood."""
    builder = CityBuilder("city", "City")
    builder.entity("city", "Municipality")
    for district in ("city.east", "city.west"):
        builder.entity(district, "District", parent="city")
    builder.entity("city.east.hill", "Neighbourhood", parent="city.east")
    return builder.model()


def limited(model: CityModel, *areas: str, role: Role = "operator") -> Rights:
    return Rights(Principal("desk", role, frozenset(areas)), model)


def test_each_role_includes_the_roles_below_it() -> None:
    for number, role in enumerate(ROLES_ASCENDING):
        assert [one for one in ROLES_ASCENDING if role_includes(role, one)] == list(
            ROLES_ASCENDING[: number + 1]
        )


def test_metering_includes_viewer_and_no_role_includes_metering() -> None:
    assert [one for one in get_args(Role) if role_includes("metering", one)] == [
        "anonymous",
        "viewer",
        "metering",
    ]
    assert [one for one in get_args(Role) if role_includes(one, "metering")] == ["metering"]
    assert set(GRANTABLE_ROLES) == set(get_args(Role)) - {"anonymous"}


@pytest.mark.parametrize("role", get_args(Role))
def test_readings_of_a_household_are_for_metering_only(role: Role, model: CityModel) -> None:
    public, personal = model.datastreams[1], model.datastreams[5]
    assert may_see_datastream(rights_of_role(role), public, model)
    assert may_see_datastream(rights_of_role(role), personal, model) == (role == "metering")


def test_readings_of_a_household_outside_the_areas_are_hidden_from_metering(model: CityModel) -> None:
    personal = model.datastreams[5]
    inside = limited(model, personal.entity, role="metering")
    assert may_see_datastream(inside, personal, model)
    assert not may_see_datastream(limited(model, "nowhere", role="metering"), personal, model)


def test_a_sufficient_role_is_accepted() -> None:
    require_role(rights_of_role("admin"), "operator")


def test_anonymous_is_asked_for_a_key() -> None:
    with pytest.raises(ProblemError, match="API key of the role operator or above") as caught:
        require_role(PUBLIC, "operator")
    assert caught.value.status is HTTPStatus.UNAUTHORIZED
    assert caught.value.headers == {"WWW-Authenticate": "Bearer"}


@pytest.mark.parametrize(
    ("role", "needed"), [("viewer", "operator"), ("metering", "duty"), ("admin", "metering")]
)
def test_an_insufficient_role_is_refused(role: Role, needed: Role) -> None:
    with pytest.raises(ProblemError, match=f"this key has the role {role}") as caught:
        require_role(rights_of_role(role), needed)
    assert caught.value.status is HTTPStatus.FORBIDDEN
    assert caught.value.headers["WWW-Authenticate"].endswith(f'scope="{needed}"')


def test_a_role_in_an_area_holds_there_and_below_and_nowhere_else(areas: CityModel) -> None:
    rights = limited(areas, "city.east")
    roles = {entity: rights.role_at(entity) for entity in areas.entities}
    assert roles == {
        "city": "anonymous",
        "city.east": "operator",
        "city.east.hill": "operator",
        "city.west": "anonymous",
    }
    assert rights.role == "anonymous"
    assert rights.role_at("gone") == "anonymous"
    assert limited(areas).role_at("city.east") == "anonymous"


def test_what_conditions_select_together_lies_inside_when_all_names_of_one_do(areas: CityModel) -> None:
    rights = limited(areas, "city.east")
    inside, outside = ["city.east", "city.east.hill"], ["city.east.hill", "city.west"]
    granted = [
        rights.includes_within("operator", *conditions)
        for conditions in (
            (),
            ([], []),
            (inside, []),
            ([], inside),
            (outside, []),
            (outside, inside),
            (["gone"],),
        )
    ]
    assert granted == [False, False, True, True, False, True, False]
    assert not rights.includes_within("duty", inside)
    assert rights_of_role("operator").includes_within("operator", [], outside)
    assert not rights_of_role("viewer").includes_within("operator", inside)


def test_what_lies_outside_the_areas_or_concerns_the_city_is_refused_by_name(areas: CityModel) -> None:
    rights = limited(areas, "city.east", "gone")
    require_role_at(rights, "operator", "city.east.hill")
    with pytest.raises(ProblemError, match=r"operator in city\.east, gone only") as caught:
        require_role_at(rights, "operator", "city.west")
    assert caught.value.status is HTTPStatus.FORBIDDEN
    with pytest.raises(ProblemError, match="what lies outside"):
        require_role(rights, "operator")
