"""Only the role metering sees which sensors are behind the published sum of households."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from api.access.rights import rights_of_role
from api.entities.documents import entity_model, state_model
from api.live.events import state_data
from api.live.live_view import LiveView
from twin.instant import Instant
from twin.model.city_model import CityModel
from twin.model.role import Role
from twin.privacy.household_sum import HOUSEHOLD_WINDOW
from twin.wire.messages import Update, UpdateKind

NOW: Instant = 1_795_435_200_000_000
METER = 5  # the datastream of `meter-1` on `city.house`
OTHERS: tuple[Role, ...] = tuple(one for one in get_args(Role) if one != "metering")


def published(revision: int) -> Update:
    """Return the sum of a window, with its connections."""
    return Update(
        "city.house",
        "power_import",
        revision,
        4.5,
        NOW,
        NOW,
        0,
        (METER,),
        None,
        UpdateKind.INDICATOR,
        count=12,
        interval=HOUSEHOLD_WINDOW,
    )


def text_of(document: object) -> str:
    """Return all texts of a document."""
    return msgspec.json.encode(document).decode()


@pytest.fixture
def view(model: CityModel, make_update: Any) -> LiveView:
    """A view with a household's reading and the sum that includes it."""
    view = LiveView(model)
    view.apply(msgspec.structs.replace(make_update(METER, 1, 0.3), kind=UpdateKind.PERSONAL), NOW)
    view.apply(published(2), NOW)
    return view


@pytest.mark.parametrize("role", OTHERS)
def test_the_state_names_no_meter_to_others(view: LiveView, role: Role) -> None:
    document = state_model(view.model.entities["city.house"], view, NOW, rights_of_role(role))
    value = document.properties["power_import"]
    assert (value.value, value.count) == (4.5, 12)
    assert (value.sensor_ids, value.deviating_sensor_ids, document.datastreams) == ([], [], [])
    assert "meter-1" not in text_of(document)


def test_the_state_names_the_meters_to_the_role_metering(view: LiveView) -> None:
    document = state_model(view.model.entities["city.house"], view, NOW, rights_of_role("metering"))
    assert document.properties["power_import"].sensor_ids == ["meter-1"]
    assert [one.sensor_id for one in document.datastreams] == ["meter-1"]


@pytest.mark.parametrize("role", get_args(Role))
def test_a_reading_of_a_household_moves_the_revision_for_the_role_metering_only(
    view: LiveView, make_update: Any, role: Role
) -> None:
    view.apply(msgspec.structs.replace(make_update(METER, 3, 0.3), kind=UpdateKind.PERSONAL), NOW)
    document = state_model(view.model.entities["city.house"], view, NOW, rights_of_role(role))
    assert document.revision == (3 if role == "metering" else 2)


def test_an_entity_names_no_meter(view: LiveView) -> None:
    assert "meter-1" not in text_of(entity_model(view.model.entities["city.house"], view, NOW))


def test_an_event_holds_no_datastream_and_no_sensor(model: CityModel) -> None:
    data = state_data(published(2), "live", model)
    assert data is not None
    event = msgspec.json.decode(data)
    assert event.keys() == {
        "entityId",
        "property",
        "value",
        "unit",
        "phenomenonTime",
        "receivedTime",
        "quality",
        "freshness",
        "revision",
        "count",
    }
