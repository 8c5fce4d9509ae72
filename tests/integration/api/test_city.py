"""The city, its files, its register and its export, from a real database."""

from __future__ import annotations

import gzip
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from cities import default_city
from cities.folder_reader import read_city
from storage.database import connect
from storage.model.model_store import apply_plan, load_model, read_city_files
from storage.stores.audit_log import read_audit_entries
from storage.stores.tokens import create_token
from twin.model.city_model import CityPlan
from twin.model.site import BACKGROUND_FILE, NO_SITE, THEME_FILE


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_the_site_and_its_files_are_stored_with_the_model_and_replaced_with_it(database: str) -> None:
    plan = read_city(default_city())
    async with await connect(database, role="test") as connection:
        first = await apply_plan(connection, plan)
        model = await load_model(connection, "alkmaar")
        assert (model.city, model.sensors["aq-overdie-1"].register.kind) == (plan.city, "air-quality")
        assert await read_city_files(connection, model.city) == plan.files
        assert not (await apply_plan(connection, plan)).changed
        # A plan that was made of the model has no content of files: they stay.
        await apply_plan(connection, replace(plan, files={}, sensors=plan.sensors[1:]), based_on=1)
        assert await read_city_files(connection, model.city) == plan.files
        bare = replace(plan, city=replace(plan.city, site=NO_SITE, files={}), files={})
        last = await apply_plan(connection, bare)
        cursor = await connection.execute("SELECT count(*) FROM city_file")
        row = await cursor.fetchone()
    assert (first.version, last.version, row) == (1, 3, (0,))


async def test_the_city_is_exported_shown_and_registered(
    start_api: Any, kafka: str, database: str, tmp_path: Path
) -> None:
    plan: CityPlan = read_city(default_city())
    gone = plan.sensors[0]
    rest = replace(
        plan,
        sensors=plan.sensors[1:],
        datastreams=tuple(each for each in plan.datastreams if each.sensor != gone.id),
    )
    async with await connect(database, role="test") as connection:
        await apply_plan(connection, plan)
        await apply_plan(connection, rest)
        model = await load_model(connection, "alkmaar")
        admin = bearer(await create_token(connection, "anna", "admin"))
        await connection.commit()
    async with start_api(kafka, model=model, database=database, city="alkmaar") as api:
        city = (await api.client.get("/v1/city", headers=admin)).json()
        public = (await api.client.get("/v1/city")).json()
        background = await api.client.get(city["_links"]["background"]["href"])
        theme = await api.client.get(city["_links"]["theme"]["href"])
        refused = await api.client.get("/v1/city/export", headers=bearer("sesame"))
        exported = await api.client.get(city["_links"]["export"]["href"], headers=admin)
        again = await api.client.get("/v1/city/export", headers=admin)
        retired = await api.client.get("/v1/sensors?status=retired")
        one = await api.client.get(f"/v1/sensors/{gone.id}")
        unknown = await api.client.get("/v1/sensors/p1-overdie-1")
        register = (await api.client.get("/v1/sensors?limit=1000")).json()["items"]
    assert city["model"]["version"] == 2
    assert city["model"]["appliedBy"]
    assert city["model"]["appliedTime"]
    assert {"kind": "sensor", "action": "retire", "count": 1} in city["model"]["changes"]
    assert public["model"] == {**city["model"], "appliedBy": None}
    assert background.content == plan.files[BACKGROUND_FILE]
    assert len(gzip.compress(background.content)) < 100_000
    assert theme.content == plan.files[THEME_FILE]
    assert refused.status_code == 403
    assert exported.content == again.content
    with ZipFile(BytesIO(exported.content)) as archive:
        archive.extractall(tmp_path)
    written = read_city(tmp_path / "alkmaar")
    assert (written.city, written.files) == (plan.city, plan.files)
    assert {each.id for each in written.sensors} == set(model.sensors)
    (entry,) = retired.json()["items"]
    assert (entry["id"], entry["status"], entry["device"]) == (gone.id, "retired", None)
    assert (entry["since"], bool(entry["until"])) == (gone.register.since, True)
    assert one.json() == entry
    assert unknown.status_code == 404
    households = [each for each in register if each["id"].startswith("households~")]
    assert sum(each["count"] or 0 for each in households) == 100
    assert [each["entityId"] for each in households if each["count"] is None] == ["alkmaar.stompetoren"]
    shown = {each["id"] for each in register}
    assert not shown & {each.id for each in plan.sensors if each.personal}
    assert all(each["purpose"] and each["observesNot"] and each["owner"] for each in register)
    async with await connect(database, role="test") as connection:
        found = await read_audit_entries(connection, before=None, limit=10, operations=["exportCity"])
    assert [each.entry.principal for each in found] == ["anna", "anna"]
    assert "water" in found[0].entry.contacts
