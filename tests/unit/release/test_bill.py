"""A bill of materials follows the schema of CycloneDX, and the same components give the same bytes."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from release.bill import Bill, BillError, Component, check_schema, declared_licences

BUILT = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
SUBJECT = Component(
    kind="application", name="town", version="1", purl="pkg:generic/town@1", uses=("pkg:pypi/b@2",)
)
A = Component(kind="library", name="a", version="1", purl="pkg:pypi/a@1", licences=("MIT",))
B = Component(
    kind="library",
    name="b",
    version="2",
    purl="pkg:pypi/b@2",
    licences=("Some Licence",),
    digests=(("SHA-256", "0" * 64),),
    parts=(Component(kind="library", name="openssl", version="4.0.3", purl="pkg:generic/openssl@4.0.3"),),
    uses=("pkg:pypi/a@1",),
    aggregate="incomplete",
)


def bill(*components: Component) -> Bill:
    return Bill(subject=SUBJECT, components=components, built=BUILT, properties={"commit": "abc"})


def test_a_bill_follows_the_schema_and_says_what_uses_what() -> None:
    text = bill(A, B).text()
    check_schema(text)
    document = json.loads(text)
    assert [one["name"] for one in document["components"]] == ["a", "b"]
    assert {one["ref"]: one["dependsOn"] for one in document["dependencies"]} == {
        "pkg:generic/town@1": ["pkg:pypi/b@2"],
        "pkg:pypi/a@1": [],
        "pkg:pypi/b@2": ["pkg:pypi/a@1"],
    }
    assert document["components"][1]["components"][0]["version"] == "4.0.3"
    assert {"aggregate": "incomplete", "assemblies": ["pkg:pypi/b@2"]} in document["compositions"]
    assert document["metadata"]["timestamp"] == "2026-11-30T12:00:00Z"


def test_the_order_of_components_makes_no_difference() -> None:
    assert bill(A, B).text() == bill(B, A).text()


def test_another_component_gives_another_serial_number() -> None:
    assert bill(A).document()["serialNumber"] != bill(B).document()["serialNumber"]


def test_a_component_that_is_listed_twice_is_an_error() -> None:
    with pytest.raises(BillError, match="listed twice"):
        bill(A, A).document()


def test_the_schema_refuses_members_that_it_does_not_know() -> None:
    document = {**bill(A).document(), "licence": "MIT"}
    with pytest.raises(BillError, match="schema of CycloneDX"):
        check_schema(json.dumps(document))


def test_a_bill_that_does_not_follow_the_schema_is_not_written() -> None:
    unknown = Component(kind="library", name="c", version="1", digests=(("SHA-7", "0" * 64),))
    with pytest.raises(BillError, match="schema of CycloneDX"):
        bill(unknown).text()


def test_licences_are_identifiers_of_spdx_or_else_names() -> None:
    assert declared_licences(["mit"]) == [{"license": {"id": "MIT"}}]
    assert declared_licences(["MIT OR Apache-2.0"]) == [{"expression": "MIT OR Apache-2.0"}]
    assert declared_licences(["BSD License", "MIT"]) == [
        {"license": {"name": "BSD License"}},
        {"license": {"id": "MIT"}},
    ]
    assert declared_licences([""]) == []
