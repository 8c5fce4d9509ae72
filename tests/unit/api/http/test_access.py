"""The permissions of each role, and the refusal of others."""

from __future__ import annotations

from http import HTTPStatus
from typing import get_args

import pytest
from starlette.requests import Request

from api.http.access import may_see_datastream, require_role
from api.http.problems import ProblemError
from twin.model.city_model import CityModel
from twin.model.role import GRANTABLE_ROLES, ROLES_ASCENDING, Role, role_includes


def request_of(role: Role) -> Request:
    return Request({"type": "http", "headers": [], "state": {"role": role}})


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
    assert may_see_datastream(role, public, model)
    assert may_see_datastream(role, personal, model) == (role == "metering")


def test_a_sufficient_role_is_accepted() -> None:
    assert require_role(request_of("admin"), "operator") == "admin"


def test_anonymous_is_asked_for_a_key() -> None:
    with pytest.raises(ProblemError, match="API key of the role operator or above") as caught:
        require_role(request_of("anonymous"), "operator")
    assert caught.value.status is HTTPStatus.UNAUTHORIZED
    assert caught.value.headers == {"WWW-Authenticate": "Bearer"}


@pytest.mark.parametrize(
    ("role", "needed"), [("viewer", "operator"), ("metering", "duty"), ("admin", "metering")]
)
def test_an_insufficient_role_is_refused(role: Role, needed: Role) -> None:
    with pytest.raises(ProblemError, match=f"this key has the role {role}") as caught:
        require_role(request_of(role), needed)
    assert caught.value.status is HTTPStatus.FORBIDDEN
