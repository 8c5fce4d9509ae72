"""Images are pinned by digest in .env; a script replaces Docker."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.repository import ROOT
from tests.support.services.compose_file import VARIABLE

Pin = Callable[..., subprocess.CompletedProcess[str]]

# The digest is that of the image's name. `missing` names an image that no registry has.
DOCKER = """\
[ "$1 $2 $3 $5 $6" = "buildx imagetools inspect --format {{.Manifest.Digest}}" ] || exit 64
echo "$4" >>"$HERE/asked"
[ "$4" != "$MISSING" ] || { echo "ERROR: $4: not found" >&2; exit 1; }
echo "${ANSWER:-sha256:$(printf %s "$4" | sha256sum | cut -d ' ' -f 1)}"
"""


def defaults() -> dict[str, str]:
    """Return the images that the compose file names, by variable, without our own."""
    found = dict(VARIABLE.findall((ROOT / "docker-compose.yml").read_text()))
    return {name: image for name, image in found.items() if name.startswith("LIVETWIN_IMAGE_")}


def pinned(image: str) -> str:
    return f"{image}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"


def variables(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^(\w+)=(.*)$", path.read_text(), re.MULTILINE))


@pytest.fixture
def pin(tmp_path: Path) -> Pin:
    """Return a function that runs the script with `tmp_path/.env`."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "docker").write_text(f"#!/bin/bash\n{DOCKER}")
    (programs / "docker").chmod(0o755)

    def run(*options: str, missing: str = "", answer: str = "") -> subprocess.CompletedProcess[str]:
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "ENV_FILE": str(tmp_path / ".env"),
            "HERE": str(tmp_path),
            "MISSING": missing,
            "ANSWER": answer,
        }
        return subprocess.run(
            [ROOT / "deploy/pin-images.sh", *options],
            env={**os.environ, **environment},
            check=False,
            capture_output=True,
            text=True,
        )

    return run


def test_every_image_is_pinned_by_its_digest(pin: Pin, tmp_path: Path) -> None:
    assert len(defaults()) >= 7
    done = pin()
    assert (done.returncode, done.stderr) == (0, "")
    assert variables(tmp_path / ".env") == {name: pinned(image) for name, image in defaults().items()}
    assert sorted((tmp_path / "asked").read_text().split()) == sorted(defaults().values())
    # The rest is the example, each variable at its place.
    example = (ROOT / ".env.example").read_text().splitlines()
    assert len((tmp_path / ".env").read_text().splitlines()) == len(example)
    checked = pin("--check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_other_settings_and_the_mode_of_the_file_stay(pin: Pin, tmp_path: Path) -> None:
    mirror = "mirror.example:5000/kafka:4.1.0"
    env = tmp_path / ".env"
    env.write_text(f"LIVETWIN_CITY=delta\n# mine\nLIVETWIN_IMAGE_KAFKA={mirror}\n#LIVETWIN_IMAGE_GRAFANA=x\n")
    env.chmod(0o600)
    for _ in range(2):
        assert pin().returncode == 0
        expected = {name: pinned(image) for name, image in defaults().items()}
        assert variables(env) == {
            **expected,
            "LIVETWIN_CITY": "delta",
            "LIVETWIN_IMAGE_KAFKA": pinned(mirror),
        }
    assert env.read_text().startswith("LIVETWIN_CITY=delta\n# mine\n")
    assert "#LIVETWIN_IMAGE_GRAFANA" not in env.read_text()
    assert stat.S_IMODE(env.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == [".env", "asked", "bin"]


def test_a_pinned_version_stays_until_an_upgrade(pin: Pin, tmp_path: Path) -> None:
    assert pin().returncode == 0
    env = tmp_path / ".env"
    earlier = "apache/kafka:4.0.0"
    newest = defaults()["LIVETWIN_IMAGE_KAFKA"]
    env.write_text(env.read_text().replace(pinned(newest), pinned(earlier)))
    assert pin().returncode == 0
    assert variables(env)["LIVETWIN_IMAGE_KAFKA"] == pinned(earlier)
    checked = pin("--check")
    assert checked.returncode == 0
    assert checked.stdout.startswith(
        f"LIVETWIN_IMAGE_KAFKA: {earlier} is pinned; docker-compose.yml has {newest}"
    )
    assert pin("--upgrade").returncode == 0
    assert variables(env)["LIVETWIN_IMAGE_KAFKA"] == pinned(newest)


@pytest.mark.parametrize(
    ("missing", "answer", "said"),
    [
        ("apache/kafka:4.1.1", "", "LIVETWIN_IMAGE_KAFKA: the digest of apache/kafka:4.1.1 was not found"),
        ("", "<no value>", "found '<no value>' as digest of "),
    ],
)
def test_without_a_digest_nothing_changes(
    pin: Pin, tmp_path: Path, missing: str, answer: str, said: str
) -> None:
    (tmp_path / ".env").write_text("LIVETWIN_CITY=delta\n")
    done = pin(missing=missing, answer=answer)
    assert done.returncode == 1
    assert said in done.stderr
    assert (tmp_path / ".env").read_text() == "LIVETWIN_CITY=delta\n"


def test_images_without_a_digest_are_named(pin: Pin, tmp_path: Path) -> None:
    assert pin("--check").returncode == 1
    assert pin().returncode == 0
    env = tmp_path / ".env"
    env.write_text(re.sub(r"(LIVETWIN_IMAGE_KAFKA=[^@]*)@.*", r"\1", env.read_text()))
    checked = pin("--check")
    assert checked.returncode == 1
    [line] = checked.stderr.splitlines()
    assert line.startswith("LIVETWIN_IMAGE_KAFKA: found apache/kafka:4.1.1 in ")
    asked = (tmp_path / "asked").read_text()
    assert pin("--check").returncode == 1
    assert (tmp_path / "asked").read_text() == asked, "it asks no registry"


def test_an_unknown_option_is_refused(pin: Pin) -> None:
    done = pin("--pin")
    assert (done.returncode, "found --pin, expected --upgrade" in done.stderr) == (2, True)


def test_every_base_image_is_a_variable_or_an_earlier_stage() -> None:
    base = defaults()["LIVETWIN_IMAGE_BASE"]
    for name in ("deploy/image/Dockerfile", "tests/docker/images/Dockerfile"):
        text = (ROOT / name).read_text()
        assert re.findall(r"^ARG BASE_IMAGE=(.*)$", text, re.MULTILINE) == [base], name
        assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"${BASE_IMAGE}"}, name
        stages = set(re.findall(r"^FROM \S+ AS (\S+)", text, re.MULTILINE))
        assert set(re.findall(r"--from=(\S+)", text)) <= stages, name
    assert f"BASE={base}\n" in (ROOT / "tests/docker/build-images.sh").read_text()
