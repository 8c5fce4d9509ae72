"""The bill of LiveTwin's image lists what is installed in the image, asked by its own programs."""

from __future__ import annotations

import datetime as dt
import os

import pytest
from packaging.utils import canonicalize_name

from release.bill import Component, check_schema
from release.bills import bills
from release.image_components import ImageContent, ask_image
from tests.support.repository import ROOT

BUILT = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def content() -> ImageContent:
    return ask_image(os.environ["LIVETWIN_IMAGE"])


def test_debian_packages_are_listed_with_their_versions(content: ImageContent) -> None:
    found = {one.name: one for one in content.packages}
    assert {"ca-certificates", "python3", "tzdata", "libc6", "libssl3t64"} <= found.keys()
    assert all(one.version and f"distro=debian-{content.release}" in one.purl for one in content.packages)


def test_every_python_distribution_of_the_image_is_pinned(content: ImageContent) -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    pinned = {canonicalize_name(name): version for name, version in pins.items()}
    other = [
        one.purl for one in content.distributions if pinned.get(canonicalize_name(one.name)) != one.version
    ]
    assert other == []
    assert {"fastapi", "faust-streaming"} <= {one.name for one in content.distributions}


def test_the_bill_of_the_images_is_complete_for_our_own(content: ImageContent) -> None:
    found = bills(ROOT, built=BUILT, commit="0" * 40, image=content)
    [bill] = [bill for name, bill in found.items() if "-images." in name]
    check_schema(bill.text())
    own: Component = next(one for one in bill.components if one.name == "livetwin")
    assert own.aggregate == "complete"
    assert len(own.uses) == len(content.packages) + len(content.distributions)
