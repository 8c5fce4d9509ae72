"""An unknown device is assigned to a sensor over the API."""

from __future__ import annotations

from typing import Any

from storage.model.model_store import load_model
from storage.stores.tokens import create_token
from tests.integration.api.stored_city import StoredCity

PATH = "/v1/unassigned-devices/_assign"
ITEM = {
    "id": "air-9",
    "feed": "native",
    "entity": "city.0",
    "interval": "PT10M",
    "observes": [{"property": "pm10", "field": "pm10", "unit": "ug/m3"}],
}


async def test_only_an_admin_assigns_a_device(stored: StoredCity, kafka: str, start_api: Any) -> None:
    keys = {role: await create_token(stored.connection, role, role) for role in ("admin", "operator")}
    await stored.connection.commit()
    async with start_api(kafka, model=stored.model, database=stored.dsn) as api:
        refused = await api.client.post(
            PATH, json=ITEM, headers={"Authorization": f"Bearer {keys['operator']}"}
        )
        assert refused.status_code == 403
        key = {"Authorization": f"Bearer {keys['admin']}"}
        wrong = await api.client.post(PATH, json={**ITEM, "entity": "nowhere"}, headers=key)
        assert wrong.status_code == 400
        assert "nowhere" in wrong.json()["errors"][0]["detail"]
        assert (await api.client.post(PATH, content=b"[]", headers=key)).status_code == 400
        made = await api.client.post(PATH, json=ITEM, headers=key)
        assert (made.status_code, made.json()["sensorId"]) == (201, "air-9")
        outdated = await api.client.post(PATH, json={**ITEM, "id": "air-10"}, headers=key)
        assert outdated.status_code in {201, 409}  # 409 unless the api has the new model already
    model = await load_model(stored.connection, "city")
    assert model.sensors["air-9"].entity == "city.0"
    assert model.version == made.json()["modelVersion"] + (outdated.status_code == 201)
    assert set(stored.model.datastreams) < set(model.datastreams)
