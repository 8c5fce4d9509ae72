"""Entity tags, If-None-Match and the answer 304."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.access.principal import Principal
from api.context import ApiContext
from api.http.conditional_requests import entity_tag, is_known
from api.http.representations import INLINE_BYTES_MAX, Representations
from tests.support.http.documented_client import documented_answers
from tests.unit.api.http.test_compression import answered

TAG = entity_tag(b"body")


@pytest.mark.parametrize(
    ("value", "known"),
    [
        (TAG, True),
        (TAG.removeprefix("W/"), True),
        ("*", True),
        (" * ", True),
        (f'"other", {TAG}', True),
        (f'"a,b",{TAG},"c"', True),
        (f"  {TAG}  ", True),
        ('"other"', False),
        ("", False),
        (TAG.replace('"', ""), False),
        (f"other, {TAG}", False),
        (f'"*", "{TAG}"', False),
        (f'"other" {TAG}', False),
        (f"w/{TAG[2:]}", False),
        ('"' * 60_000, False),
        ('"a",' * 20_000, False),
    ],
)
def test_the_present_tag_is_found_in_a_list_of_tags(value: str, known: bool) -> None:
    assert is_known(TAG, value) == known


@given(st.lists(st.sampled_from([TAG, '"a"', 'W/"b,c"', '""']), min_size=1))
def test_a_list_of_tags_is_read_whole(tags: list[str]) -> None:
    assert is_known(TAG, " ,".join(tags)) == (TAG in tags)


@pytest.mark.parametrize(
    "path",
    ["/v1/entities", "/v1/entities/city.canal", "/v1/entities/city.canal/state", "/v1/alarms", "/page.json"],
)
async def test_an_unchanged_answer_is_not_sent_again(client: httpx.AsyncClient, path: str) -> None:
    first = await client.get(path)
    tag = first.headers["etag"]
    again = await client.get(path, headers={"If-None-Match": f'"x", {tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert again.headers["vary"] == first.headers["vary"]
    assert again.headers["cache-control"] == "no-store"
    assert "content-length" not in again.headers
    assert (await client.head(path, headers={"If-None-Match": tag})).status_code == 304
    assert (await client.get(path, headers={"If-None-Match": '"x"'})).content == first.content


async def test_a_changed_answer_has_another_tag(
    client: httpx.AsyncClient, parts: ApiContext, make_update: Any
) -> None:
    path = "/v1/entities/city.east.hill/state"
    tag = (await client.get(path)).headers["etag"]
    parts.hub.on_updates(0, 1, [make_update(1, 3, 12.5)])
    response = await client.get(path, headers={"If-None-Match": tag})
    assert response.status_code == 200
    assert response.headers["etag"] != tag


async def test_media_type_role_and_page_have_tags_of_their_own(
    client: httpx.AsyncClient, parts: ApiContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def metering(credential: str | None) -> Principal:
        return Principal("settlement", "metering")

    tag = (await client.get("/v1/entities")).headers["etag"]
    known = {"If-None-Match": tag}
    geojson = await client.get("/v1/entities", headers={**known, "Accept": "application/geo+json"})
    assert geojson.status_code == 200
    assert (await client.get("/v1/entities?limit=2", headers=known)).status_code == 200
    tag = (await client.get("/v1/datastreams")).headers["etag"]
    monkeypatch.setattr(parts.authenticator, "principal_of", metering)
    headers = {"If-None-Match": tag, "Authorization": "Bearer any"}
    assert (await client.get("/v1/datastreams", headers=headers)).status_code == 200


async def test_compressed_or_not_the_tag_is_the_same(client: httpx.AsyncClient) -> None:
    plain = await client.get("/v1/openapi.json", headers={"Accept-Encoding": "identity"})
    compressed = await client.get("/v1/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert (plain.headers.get("content-encoding"), compressed.headers["content-encoding"]) == (None, "gzip")
    assert plain.headers["etag"] == compressed.headers["etag"]
    headers = {"If-None-Match": plain.headers["etag"], "Accept-Encoding": "gzip"}
    assert (await client.get("/v1/openapi.json", headers=headers)).status_code == 304


async def test_problems_streams_and_commands_have_no_tag(client: httpx.AsyncClient) -> None:
    for method, path in (
        ("GET", "/v1/entities/nowhere"),
        ("HEAD", "/v1/live"),
        ("POST", "/v1/acknowledge/1"),
    ):
        response = await client.request(method, path, headers={"If-None-Match": "*"})
        assert response.status_code != 304
        assert "etag" not in response.headers


async def test_a_large_body_has_the_tag_of_its_content() -> None:
    body = b"x" * (INLINE_BYTES_MAX + 1)
    start, _ = await answered(Representations, body)
    assert (b"etag", entity_tag(body).encode()) in start["headers"]


def test_the_document_says_where_the_tag_is() -> None:
    for path, tagged in (
        ("/v1/entities", True),
        ("/v1/entities/city", True),
        ("/v1/live", False),
        ("/v1/rules/high", False),
        ("/v1/alarms/a/dossier", False),
    ):
        operation: Any = documented_answers().operation("GET", path)
        assert ("304" in operation["responses"]) == tagged
        headers = [each["name"] for each in operation["parameters"] if each["in"] == "header"]
        assert ("If-None-Match" in headers) == tagged
