"""`python -m release`: bills of materials, and the artefacts of a release. The Makefile calls it."""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

from release.artefacts import BuildError
from release.bill import BillError
from release.bills import bills, write_bills
from release.commit import CommitError, head
from release.image_components import ask_image
from release.reproducible import build_twice
from release.signature import SignatureError, fingerprint, sign, write_digests

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Run one command; return 0 (success) or 1 (failure, with its reason on standard error)."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    sbom = commands.add_parser("sbom", help="write the software bills of materials (CycloneDX)")
    sbom.add_argument("folder", type=Path, help="the folder to write to")
    sbom.add_argument("--image", help="ask this image of LiveTwin, by Docker, what is in it")
    build = commands.add_parser("build", help="build the artefacts twice, compare, sign")
    build.add_argument("folder", type=Path, help="the folder in which the one of the release is created")
    build.add_argument(
        "--key", type=Path, help="the key of OpenSSH that signs; without one nothing is signed"
    )
    build.add_argument("--image", help="ask this image of LiveTwin, by Docker, what is in it")
    options = parser.parse_args()
    try:
        if options.command == "sbom":
            write_sbom(options.folder, options.image)
        else:
            build_release(options.folder, options.key, options.image)
    except (BillError, BuildError, CommitError, SignatureError) as error:
        print(f"release: error: {error}", file=sys.stderr)
        return 1
    return 0


def write_sbom(folder: Path, image: str | None) -> None:
    """Write the bills of this checkout."""
    commit = head(ROOT)
    content = None if image is None else ask_image(image)
    for file in write_bills(bills(ROOT, built=commit.time, commit=commit.id, image=content), folder):
        print(file)


def build_release(folder: Path, key: Path | None, image: str | None) -> None:
    """Build and sign the release of the commit that is checked out, in a new folder."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    target = folder / f"livetwin-{version}"
    if target.exists():
        raise BuildError(f"{target} exists: a release is never replaced; remove it, or name another folder")
    if key is not None:
        fingerprint(key)  # Fails before the build, if the key cannot be read.
    commit = head(ROOT)
    content = None if image is None else ask_image(image)
    build_twice(ROOT, target, commit=commit, image=content)
    digests = write_digests(target)
    print(f"commit {commit.id}, built twice with the same bytes:")
    print(digests.read_text(), end="")
    if key is None:
        print("not signed: name a key, as in `make release KEY=FILE`")
    else:
        print(f"{sign(digests, key)}: by the key {fingerprint(key)}")


if __name__ == "__main__":
    sys.exit(main())
