"""`livetwin credentials` writes what Mosquitto reads, tells each password once, and keeps what there is."""

from __future__ import annotations

import base64
import hashlib
import stat
from pathlib import Path

import pytest

from cities.folder_writer import write_city
from cli.command_line import run
from cli.mosquitto_files import password_hash, read_passwords
from tests.support.cities.fleet import FEEDS, fleet


@pytest.fixture
def city(tmp_path: Path) -> str:
    """A folder with two devices of each feed."""
    folder = tmp_path / "city"
    write_city(fleet(2 * len(FEEDS)).model(1), folder)
    return str(folder)


def passwords_told(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    return dict(line.split("\t") for line in capsys.readouterr().out.splitlines())


def belongs(password: str, digest: str) -> bool:
    """Whether a hash is that of a password, as Mosquitto computes it."""
    _, kind, iterations, salt, expected = digest.split("$")
    assert kind == "7"
    found = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(salt), int(iterations))
    return found == base64.b64decode(expected)


def test_passwords_are_told_once_and_kept_as_hashes(
    city: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["credentials", city, "--out", str(tmp_path)]) == 0
    told = passwords_told(capsys)
    kept = read_passwords(tmp_path / "password_file")
    assert told.keys() == kept.keys() > {"livetwin-ingest", "livetwin-feed-ttn"}
    assert len(set(told.values())) == len(told)
    assert all(belongs(password, kept[name]) for name, password in told.items())
    assert not any(password in (tmp_path / "password_file").read_text() for password in told.values())
    for name in ("password_file", "acl_file"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640
    assert run(["credentials", city, "--out", str(tmp_path)]) == 0
    assert passwords_told(capsys) == {}
    assert read_passwords(tmp_path / "password_file") == kept


def test_one_password_is_rotated_and_accounts_of_devices_that_are_gone_go(
    city: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["credentials", city, "--out", str(tmp_path)]) == 0
    name = next(iter(sorted(passwords_told(capsys))))
    file = tmp_path / "password_file"
    before = read_passwords(file)
    file.write_text(file.read_text() + f"gone-device:{password_hash('x')}\n")
    assert run(["credentials", city, "--out", str(tmp_path), "--rotate", name]) == 0
    told = passwords_told(capsys)
    after = read_passwords(file)
    assert told.keys() == {name}
    assert belongs(told[name], after[name])
    assert {**after, name: before[name]} == before


def test_passwords_of_our_own_accounts_may_go_into_files(
    city: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = tmp_path / "secrets"
    assert run(["credentials", city, "--out", str(tmp_path), "--secrets", str(secrets)]) == 0
    assert not any(name.startswith("livetwin-") for name in passwords_told(capsys))
    file = secrets / "mqtt-ingest"
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    kept = read_passwords(tmp_path / "password_file")
    assert belongs(file.read_text().rstrip("\n"), kept["livetwin-ingest"])


def test_an_account_that_is_not_there_cannot_be_rotated(city: str, tmp_path: Path) -> None:
    assert run(["credentials", city, "--out", str(tmp_path), "--rotate", "nobody"]) == 2
    assert not (tmp_path / "password_file").exists()


def test_a_password_file_of_another_shape_is_not_overwritten(
    city: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "password_file").write_text("alice:in clear\n")
    assert run(["credentials", city, "--out", str(tmp_path)]) == 1
    assert "password_file:1: expected NAME:$7$" in capsys.readouterr().err
    assert (tmp_path / "password_file").read_text() == "alice:in clear\n"
