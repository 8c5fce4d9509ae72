"""The container images: LiveTwin's own with what is in it, and those that docker-compose.yml names.

With a Docker engine the image is asked for its Debian packages and Python distributions. Without one, only
the packages are known that the Dockerfile installs by name, without versions, and the bill says that it is
incomplete. What is in the images of others is unknown here: their makers have the bills.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from release.bill import BillError, Component

DOCKERFILE = Path("deploy/image/Dockerfile")
COMPOSE = Path("docker-compose.yml")

PACKAGES_FORMAT = r"${Package}\t${Version}\t${Architecture}\t${db:Status-Status}\n"
_DISTRIBUTIONS = (
    "import importlib.metadata, json; "
    "print(json.dumps(sorted([one.name, one.version] for one in importlib.metadata.distributions())))"
)
_ASK_TIMEOUT_S = 120


@dataclass(frozen=True)
class ImageContent:
    """What an image answers when it is asked."""

    release: str
    """The release of Debian, such as 13."""
    packages: tuple[Component, ...]
    distributions: tuple[Component, ...]
    """The installed Python distributions, without LiveTwin itself."""


def image_components(root: Path, version: str, content: ImageContent | None) -> list[Component]:
    """Return the image of LiveTwin, the packages in it, and the images of the services."""
    declared = declared_packages((root / DOCKERFILE).read_text())
    packages = declared if content is None else [*content.packages, *content.distributions]
    own = Component(
        kind="container",
        name="livetwin",
        version=version,
        uses=tuple(one.ref for one in packages),
        aggregate="incomplete" if content is None else "complete",
        properties=(
            (
                "source",
                "the Dockerfile: packages named in it" if content is None else "the image, asked by dpkg",
            ),
        ),
    )
    return [own, *packages, *service_images((root / COMPOSE).read_text())]


def declared_packages(dockerfile: str) -> list[Component]:
    """Return the Debian packages that the last stage of a Dockerfile installs, and its base image."""
    last = re.split(r"^FROM ", dockerfile, flags=re.MULTILINE)[-1]
    installs = re.findall(r"apt-get install((?:[^&\\]|\\\n)*)", last)
    names = {
        word for text in installs for word in text.replace("\\\n", " ").split() if not word.startswith("-")
    }
    if not names:
        raise BillError(f"{DOCKERFILE}: its last stage installs no package; expected `apt-get install NAME`")
    base = re.search(r"^ARG BASE_IMAGE=(\S+)$", dockerfile, re.MULTILINE)
    if base is None:
        raise BillError(f"{DOCKERFILE}: no base image was found; expected `ARG BASE_IMAGE=NAME`")
    packages = [
        Component(kind="library", name=name, purl=PackageURL("deb", "debian", name).to_string())
        for name in sorted(names)
    ]
    return [*packages, _image_of_others(base[1])]


def service_images(compose: str) -> list[Component]:
    """Return the images of others that a compose file names by default."""
    services: dict[str, Any] = yaml.safe_load(compose)["services"]
    named = {str(one["image"]) for one in services.values()}
    defaults = {re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", text) for text in named}
    return [_image_of_others(text) for text in sorted(defaults) if not text.startswith("livetwin:")]


def _image_of_others(text: str) -> Component:
    name, _, tag = text.partition(":")
    namespace, _, short = name.rpartition("/")
    return Component(
        kind="container",
        name=name,
        version=tag,
        purl=PackageURL("docker", namespace or None, short, tag).to_string(),
    )


def debian_packages(listing: str, release: str) -> tuple[Component, ...]:
    """Return the packages that dpkg-query lists in `PACKAGES_FORMAT`."""
    found = []
    for line in listing.splitlines():
        fields = line.split("\t")
        if len(fields) != 4:
            raise BillError(f"dpkg-query: found {line!r}, expected four fields: {PACKAGES_FORMAT}")
        name, version, architecture, status = fields
        if status == "installed":
            purl = PackageURL(
                "deb", "debian", name, version, {"arch": architecture, "distro": f"debian-{release}"}
            )
            found.append(Component(kind="library", name=name, version=version, purl=purl.to_string()))
    return tuple(found)


def ask_image(image: str) -> ImageContent:
    """Return what is in an image, by programs in it; raise BillError if Docker cannot run them."""
    release = _run_in(
        image, "python3", "-c", "import platform; print(platform.freedesktop_os_release()['VERSION_ID'])"
    )
    listing = _run_in(image, "dpkg-query", "--show", f"--showformat={PACKAGES_FORMAT}")
    distributions = _run_in(image, "/opt/livetwin/bin/python", "-c", _DISTRIBUTIONS)
    return ImageContent(
        release=release.strip(),
        packages=debian_packages(listing, release.strip()),
        distributions=tuple(
            Component(
                kind="library",
                name=name,
                version=version,
                purl=PackageURL("pypi", name=canonicalize_name(name), version=version).to_string(),
            )
            for name, version in json.loads(distributions)
            if name != "livetwin"
        ),
    )


def _run_in(image: str, program: str, *arguments: str) -> str:
    command = ["docker", "run", "--rm", "--network=none", f"--entrypoint={program}", image, *arguments]
    try:
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=_ASK_TIMEOUT_S
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise BillError(f"the image {image} cannot be asked what is in it: {reason}") from error
