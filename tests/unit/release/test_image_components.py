"""The bill of the images says what is known of each, and that the rest is not."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from release.bill import BillError
from release.image_components import (
    PACKAGES_FORMAT,
    ImageContent,
    debian_packages,
    declared_packages,
    image_components,
    service_images,
)
from tests.support.repository import ROOT

DOCKERFILE = """ARG BASE_IMAGE=debian:trixie-slim
FROM ${BASE_IMAGE} AS page
RUN apt-get update && apt-get install --yes nodejs
FROM ${BASE_IMAGE}
RUN apt-get update && \\
    apt-get install --yes --no-install-recommends ca-certificates \\
      python3 && \\
    rm -rf /var/lib/apt/lists/*
"""


def test_packages_of_the_last_stage_are_listed_and_those_of_earlier_ones_are_not() -> None:
    purls = [one.purl for one in declared_packages(DOCKERFILE)]
    assert purls == [
        "pkg:deb/debian/ca-certificates",
        "pkg:deb/debian/python3",
        "pkg:docker/debian@trixie-slim",
    ]


def test_a_dockerfile_without_packages_or_base_image_is_an_error() -> None:
    with pytest.raises(BillError, match="installs no package"):
        declared_packages("ARG BASE_IMAGE=debian:trixie-slim\nFROM ${BASE_IMAGE}\n")
    with pytest.raises(BillError, match="no base image"):
        declared_packages(DOCKERFILE.replace("ARG BASE_IMAGE=debian:trixie-slim\n", ""))


def test_images_of_services_are_those_of_the_compose_file_by_default() -> None:
    compose = """
services:
  log: {image: "${LIVETWIN_IMAGE_KAFKA:-apache/kafka:4.1.1}"}
  api: {image: "${LIVETWIN_IMAGE:-livetwin:local}"}
"""
    found = service_images(compose)
    assert [(one.purl, one.aggregate) for one in found] == [("pkg:docker/apache/kafka@4.1.1", "unknown")]
    names = {one.name for one in service_images((ROOT / "docker-compose.yml").read_text())}
    assert {"eclipse-mosquitto", "apache/kafka", "timescale/timescaledb", "grafana/grafana"} <= names


def test_without_an_engine_the_image_is_incomplete_and_says_so() -> None:
    own = image_components(ROOT, "1.0.0", None)[0]
    assert own.aggregate == "incomplete"
    assert own.properties == (("source", "the Dockerfile: packages named in it"),)
    assert "pkg:deb/debian/python3" in own.uses


def test_an_image_that_answered_is_listed_with_versions() -> None:
    packages = debian_packages("python3\t3.13.5-1\tamd64\tinstalled\ngone\t1\tamd64\tconfig-files\n", "13")
    assert [one.purl for one in packages] == ["pkg:deb/debian/python3@3.13.5-1?arch=amd64&distro=debian-13"]
    content = ImageContent(release="13", packages=packages, distributions=())
    own = image_components(ROOT, "1.0.0", content)[0]
    assert own.aggregate == "complete"
    assert own.uses == (packages[0].purl,)


def test_a_listing_in_another_format_is_an_error() -> None:
    with pytest.raises(BillError, match="expected four fields"):
        debian_packages("ii python3 3.13\n", "13")


def test_what_dpkg_lists_on_this_machine_is_read() -> None:
    assert shutil.which("dpkg-query"), "the tests need Debian"
    listing = subprocess.run(
        ["dpkg-query", "--show", f"--showformat={PACKAGES_FORMAT}"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = {one.name: one for one in debian_packages(listing, "13")}
    assert found["dpkg"].version
    assert len(found) > 50
