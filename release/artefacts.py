"""The artefacts of a release, built from the files of a commit in a folder of their own.

The tools are those of the environment, in the versions of constraints.txt and package.json: nothing is
downloaded.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from release.archive import write_archive
from release.bills import bills, write_bills
from release.commit import Commit
from release.image_components import ImageContent

RECORD = "build.json"
"""The file that names the commit and the tools, as a second builder needs them."""

PYTHON_CLIENT = "clients/python"
TYPESCRIPT_CLIENT = "clients/typescript"

_STEP_TIMEOUT_S = 3600
SITE = Path("docs/_build/html")
_SPHINX_OPTIONS = ("--quiet", "--fail-on-warning")
# What Sphinx keeps for the next build.
_OF_SPHINX = frozenset({".buildinfo", ".doctrees"})


class BuildError(Exception):
    """An artefact cannot be built."""


def build_artefacts(
    tree: Path,
    packages: Path,
    target: Path,
    *,
    commit: Commit,
    variation: Mapping[str, str],
    image: ImageContent | None,
    site: bool = True,
) -> None:
    """Build all artefacts of the commit that `tree` holds into the folder `target`; raise BuildError.

    `packages` is the folder of installed npm packages. `variation` are environment variables that must not
    make a difference. Without `site` the documentation, which takes most of the time, is left out.
    """
    release = tomllib.loads((tree / "pyproject.toml").read_text())["project"]["version"]
    for folder in ("web", TYPESCRIPT_CLIENT):
        (tree / folder / "node_modules").symlink_to(packages, target_is_directory=True)
    environment = {
        **os.environ,
        "SOURCE_DATE_EPOCH": str(commit.epoch),
        # The documentation is written from the modules of this tree.
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        **variation,
    }
    target.mkdir()
    run_step(["npm", "run", "--silent", "build", "--", "--logLevel", "warn"], tree / "web", environment)
    build = [sys.executable, "-m", "hatchling", "build", "-d", str(target)]
    run_step(build, tree, environment)
    run_step([*build, "-t", "wheel"], tree / PYTHON_CLIENT, environment)
    run_step(["npm", "run", "--silent", "build"], tree / TYPESCRIPT_CLIENT, environment)
    pack = ["npm", "pack", "--silent", "--pack-destination", str(target)]
    run_step(pack, tree / TYPESCRIPT_CLIENT, environment)
    write_archive(tree / "api/static", target / f"livetwin-{release}-page.tar.gz", epoch=commit.epoch)
    if site:
        built = tree / SITE
        run_step([sys.executable, "-m", "sphinx", *_SPHINX_OPTIONS, "docs", str(built)], tree, environment)
        archive = target / f"livetwin-{release}-docs.tar.gz"
        write_archive(built, archive, epoch=commit.epoch, leave_out=_OF_SPHINX)
    write_bills(bills(tree, built=commit.time, commit=commit.id, image=image), target)
    (target / RECORD).write_text(json.dumps(_record(release, commit), indent=1) + "\n")


def _record(release: str, commit: Commit) -> dict[str, object]:
    node = subprocess.run(["node", "--version"], check=True, capture_output=True, text=True).stdout
    return {
        "version": release,
        "commit": commit.id,
        "sourceDateEpoch": commit.epoch,
        "tools": {
            "python": platform.python_version(),
            "node": node.strip().removeprefix("v"),
            **{name: version(name) for name in ("hatchling", "sphinx", "furo")},
        },
    }


def run_step(
    command: list[str], folder: Path, environment: Mapping[str, str], timeout_s: float = _STEP_TIMEOUT_S
) -> None:
    """Run a command of a build in a folder; raise BuildError if it fails, or does not end."""
    try:
        done = subprocess.run(
            command,
            check=False,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        raise BuildError(
            f"{' '.join(command)} has not ended after {timeout_s:g} s; nothing was written: run it again "
            "when the machine has less to do"
        ) from error
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).splitlines()[-20:]
        raise BuildError(f"{' '.join(command)} ended with {done.returncode}:\n" + "\n".join(lines))
