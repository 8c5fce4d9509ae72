"""What the city says of itself, and the files of its page."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from api.access.rights import PUBLIC, rights_of_role
from api.app import create_app
from api.city.documents import city_document
from api.city.folder_archive import open_archive
from api.city.site_files import FILES_KEPT_MAX, SiteFiles
from api.context import ApiContext
from api.database import Database
from cities import default_city
from cities.folder_reader import read_city
from storage.model.model_changes import AppliedVersion, CountedChanges
from tests.unit.api.conftest import NOW
from twin.model.bilingual_text import BilingualText
from twin.model.city_model import CityModel
from twin.model.role import Role
from twin.model.site import THEME_FILE, Site, SiteText

ORIGIN = "https://www.city.example"
THEME = b":root { --nl-color: #9b1b1f; }\n" * 100
DIGEST = sha256(THEME).hexdigest()
SITE = Site(
    languages=("nl", "en"),
    organisation=BilingualText("City", "Stad"),
    privacy=SiteText(text=BilingualText("# Privacy", "# Privacy")),
    embedding_origins=(ORIGIN,),
)


@pytest.fixture
def model(model: CityModel) -> CityModel:
    return replace(model, city=replace(model.city, site=SITE, files={THEME_FILE: DIGEST}))


@pytest.fixture
async def page(parts: ApiContext, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an api with a built page, and with the files of the city in memory."""
    folder = parts.settings.static_dir
    (folder / "assets").mkdir()
    for name, title in {"index": "The city", "duty": "Duty", "openbaar": "The public view"}.items():
        (folder / f"{name}.html").write_text(f"<title>{title}</title>")
    (folder / "assets" / "map-Bx3_k-9Q.js").write_bytes(b"map" * 2_000)
    transport = httpx.ASGITransport(create_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://city.example") as client:
        yield client


async def test_the_city_has_its_texts_also_without_a_database(client: httpx.AsyncClient) -> None:
    city = (await client.get("/v1/city")).json()
    assert (city["id"], city["languages"], city["organisation"]["nl"]) == ("city", ["nl", "en"], "Stad")
    assert city["privacy"] == {"text": {"en": "# Privacy", "nl": "# Privacy"}, "url": None}
    assert (city["accessibility"], city["processingRegister"]) == (None, None)
    assert city["embeddingOrigins"] == [ORIGIN]
    assert city["model"] == {"version": 1, "appliedTime": None, "appliedBy": None, "changes": None}
    assert city["_links"]["theme"] == {"href": f"/city-files/{DIGEST}/{THEME_FILE}"}
    assert not {"background", "export"} & city["_links"].keys()


@pytest.mark.parametrize(
    ("role", "by", "export"),
    [("anonymous", None, False), ("viewer", "anna", False), ("admin", "anna", True)],
)
def test_who_applied_the_model_is_for_staff(
    model: CityModel, role: Role, by: str | None, *, export: bool
) -> None:
    applied = AppliedVersion(NOW, "anna", (CountedChanges("sensor", "create", 2),))
    document = city_document(model, applied, rights_of_role(role))
    assert (document.model.applied_time, document.model.applied_by) == ("2026-11-23T12:00:00Z", by)
    assert document.model.changes is not None
    assert [(each.kind, each.action, each.count) for each in document.model.changes] == [
        ("sensor", "create", 2)
    ]
    assert bool(document.links.export) is export


async def test_the_page_is_told_what_the_city_folder_has(client: httpx.AsyncClient) -> None:
    page = (await client.get("/page.json")).json()
    assert page["site"] == {
        "languages": ["nl", "en"],
        "organisation": {"en": "City", "nl": "Stad"},
        "theme": f"/city-files/{DIGEST}/{THEME_FILE}",
        "background": None,
        "embeddable": True,
    }


async def test_a_file_of_the_page_is_cached_for_a_year_and_compressed(
    page: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(_: object, digest: str) -> bytes | None:
        return THEME if digest == DIGEST else None

    monkeypatch.setattr("api.city.site_files.read_city_file", read)
    monkeypatch.setattr(Database, "connection", lambda _: Away())
    path = f"/city-files/{DIGEST}/{THEME_FILE}"
    plain = await page.get(path, headers={"Accept-Encoding": "identity"})
    assert plain.content == THEME
    assert plain.headers["content-type"] == "text/css; charset=utf-8"
    assert plain.headers["cache-control"] == "public, max-age=31536000, immutable"
    compressed = await page.get(path, headers={"Accept-Encoding": "gzip"})
    assert (compressed.headers["content-encoding"], compressed.content) == ("gzip", THEME)
    again = await page.get(path, headers={"If-None-Match": plain.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for other in (f"/city-files/{DIGEST}/background.geojson", f"/city-files/0/{THEME_FILE}"):
        assert (await page.get(other)).status_code == 404


class Away:
    """A connection that nothing is asked of."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        return None


async def test_few_files_stay_in_memory(parts: ApiContext, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def read(_: object, digest: str) -> bytes:
        asked.append(digest)
        return digest.encode()

    monkeypatch.setattr("api.city.site_files.read_city_file", read)
    monkeypatch.setattr(Database, "connection", lambda _: Away())
    files = SiteFiles(parts.database)
    for number in (*range(FILES_KEPT_MAX + 1), FILES_KEPT_MAX, 0):
        found = await files.read(str(number))
        assert found is not None
        assert found.content == str(number).encode()
    assert asked == [*map(str, range(FILES_KEPT_MAX + 1)), "0"]


VIEWS = {
    "/openbaar": "The public view",
    "/public": "The public view",
    "/openbaar/sensoren": "The public view",
    "/duty": "Duty",
    "/alarms/high-water~city.canal": "The city",
    "/entities/city.west": "The city",
}


@pytest.mark.parametrize("path", VIEWS)
async def test_a_link_into_a_page_is_answered_with_it(page: httpx.AsyncClient, path: str) -> None:
    answer = await page.get(path)
    assert (answer.status_code, answer.text) == (200, f"<title>{VIEWS[path]}</title>")
    assert answer.headers["cache-control"] == "no-cache"
    again = await page.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    redirected = await page.get(f"{path}/")
    assert (redirected.status_code, redirected.headers["location"]) == (308, path)
    assert (await page.post(path)).status_code == 405


@pytest.mark.parametrize(
    "path", ["/nowhere", "/openbaarheid", "/alarms/assets/gone.js", "/index/alarms", "/v1"]
)
async def test_other_paths_are_not_found(page: httpx.AsyncClient, path: str) -> None:
    assert (await page.get(path)).status_code == 404


async def test_only_the_public_view_may_be_embedded_and_only_by_the_origins_of_the_city(
    page: httpx.AsyncClient,
) -> None:
    for path in ("/openbaar", "/public", "/openbaar/sensoren"):
        headers = (await page.get(path)).headers
        assert f"frame-ancestors 'self' {ORIGIN}" in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "x-frame-options" not in headers
    for path in ("/", "/alarms", "/page.json", "/v1/city", "/nowhere", "/assets/map-Bx3_k-9Q.js"):
        headers = (await page.get(path)).headers
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"


async def test_without_origins_nobody_embeds_the_public_view(parts: ApiContext) -> None:
    (parts.settings.static_dir / "openbaar.html").write_text("<title>The public view</title>")
    bare = replace(parts.model, city=replace(parts.model.city, site=Site()))
    parts.hub.set_model(bare)
    transport = httpx.ASGITransport(create_app(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://city.example") as client:
        headers = (await client.get("/openbaar")).headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"


async def test_copies_that_the_build_compressed_are_sent(page: httpx.AsyncClient, parts: ApiContext) -> None:
    folder = parts.settings.static_dir / "assets"
    (folder / "map-Bx3_k-9Q.js.br").write_bytes(b"brotli")
    (folder / "map-Bx3_k-9Q.js.gz").write_bytes(b"\x1f\x8bgzip")
    path = "/assets/map-Bx3_k-9Q.js"

    async def sent(accepted: str) -> tuple[str | None, bytes]:
        async with page.stream("GET", path, headers={"Accept-Encoding": accepted}) as answer:
            body = b"".join([part async for part in answer.aiter_raw()])
            assert answer.headers["vary"] == "Accept-Encoding"
            assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
            return answer.headers.get("content-encoding"), body

    assert await sent("gzip, br") == ("br", b"brotli")
    assert await sent("br") == ("br", b"brotli")
    assert await sent("gzip") == ("gzip", b"\x1f\x8bgzip")
    assert await sent("gzip, br;q=0.5") == ("gzip", b"\x1f\x8bgzip")
    assert await sent("identity") == (None, b"map" * 2_000)
    for suffix in (".br", ".gz"):
        assert (await page.get(path + suffix)).status_code == 404


async def test_a_copy_that_is_older_than_its_file_is_not_sent(
    page: httpx.AsyncClient, parts: ApiContext
) -> None:
    file = parts.settings.static_dir / "assets" / "map-Bx3_k-9Q.js"
    copy = file.with_name(file.name + ".gz")
    copy.write_bytes(b"old")
    _make_older(copy, file)
    answer = await page.get("/assets/map-Bx3_k-9Q.js", headers={"Accept-Encoding": "gzip"})
    assert answer.content == b"map" * 2_000


def _make_older(copy: Path, file: Path) -> None:
    time = file.stat().st_mtime - 60
    os.utime(copy, (time, time))


def test_the_archive_of_a_city_reads_back_as_it_was(tmp_path: Path) -> None:
    plan = read_city(default_city())
    with open_archive(plan.model(1), plan.files) as first, open_archive(plan.model(1), plan.files) as second:
        content = first.read()
        assert content == second.read()
    with ZipFile(BytesIO(content)) as archive:
        archive.extractall(tmp_path)
    again = read_city(tmp_path / "alkmaar")
    assert (again.city, again.files, again.duty) == (plan.city, plan.files, plan.duty)
    assert len(again.rules) == len(plan.rules)


async def test_an_export_needs_the_role_admin(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/city/export")).status_code == 401
    assert (
        await client.get("/v1/city/export", headers={"Authorization": "Bearer sesame"})
    ).status_code == 403


def test_everybody_sees_the_version_of_the_model(model: CityModel) -> None:
    assert city_document(model, None, PUBLIC).model.version == model.version
