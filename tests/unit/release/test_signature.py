"""A release is verified by sha256sum and ssh-keygen, as docs/how-to/release.md says."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from release.signature import DIGESTS, SignatureError, fingerprint, sign, write_digests
from tests.support.repository import ROOT


@pytest.fixture
def key(tmp_path: Path) -> Path:
    file = tmp_path / "release-key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(file)], check=True)
    return file


@pytest.fixture
def signed(tmp_path: Path, key: Path) -> Path:
    folder = tmp_path / "livetwin-1.0.0"
    folder.mkdir()
    (folder / "livetwin-1.0.0.tar.gz").write_bytes(b"source")
    (folder / "build.json").write_text("{}")
    sign(write_digests(folder), key)
    public = key.with_suffix(".pub").read_text().split()
    (folder / "allowed_signers").write_text(f"livetwin-release {' '.join(public[:2])}\n")
    return folder


def documented_commands() -> str:
    """Return the commands of the page that verify a release."""
    page = (ROOT / "docs/how-to/release.md").read_text()
    section = page.partition("## Verify a release\n")[2].partition("\n## ")[0]
    found = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert found is not None, "docs/how-to/release.md: '## Verify a release' has a block of shell commands"
    return found[1]


def verify(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-e", "-c", documented_commands()], check=False, cwd=folder, capture_output=True, text=True
    )


def test_the_documented_commands_verify_a_release(signed: Path) -> None:
    done = verify(signed)
    assert done.returncode == 0, done.stderr
    assert 'Good "livetwin-release" signature' in done.stdout
    assert "livetwin-1.0.0.tar.gz: OK" in done.stdout


def test_a_changed_file_is_refused(signed: Path) -> None:
    (signed / "livetwin-1.0.0.tar.gz").write_bytes(b"Source")
    done = verify(signed)
    assert done.returncode != 0
    assert "livetwin-1.0.0.tar.gz: FAILED" in done.stdout


def test_a_changed_list_of_digests_is_refused(signed: Path) -> None:
    (signed / "livetwin-1.0.0.tar.gz").write_bytes(b"Source")
    write_digests(signed)
    assert verify(signed).returncode != 0


def test_another_key_is_refused(signed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other-key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    sign(signed / DIGESTS, other)
    assert verify(signed).returncode != 0


def test_signing_again_gives_the_same_signature(signed: Path, key: Path) -> None:
    first = (signed / f"{DIGESTS}.sig").read_bytes()
    assert sign(signed / DIGESTS, key).read_bytes() == first


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(SignatureError, match="ssh-keygen -t ed25519 -f FILE"):
        fingerprint(tmp_path / "missing")


def test_a_key_that_cannot_sign_says_how_to_sign_later(
    signed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    public = (tmp_path / "release-key.pub").rename(elsewhere / "release-key.pub")
    with pytest.raises(SignatureError, match="without a signature") as refused:
        sign(signed / DIGESTS, public)
    assert verify(signed).returncode != 0
    public.rename(tmp_path / "release-key.pub")
    command = str(refused.value).split("`")[1].replace(str(elsewhere), str(tmp_path))
    subprocess.run(["sh", "-c", command], check=True, stdin=subprocess.DEVNULL)
    assert verify(signed).returncode == 0
