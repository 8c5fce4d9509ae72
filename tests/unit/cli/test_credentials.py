"""`livetwin credentials` writes Mosquitto's files, prints each new password once, and keeps existing ones."""

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
    """Return a city folder with two devices of each feed."""
    folder = tmp_path / "city"
    write_city(fleet(2 * len(FEEDS)).model(1), folder)
    return str(folder)


def printed_passwords(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    return dict(line.split("\t") for line in capsys.readouterr().out.splitlines())


def belongs(password: str, digest: str) -> bool:
    """Return whether a hash is Mosquitto's hash of a password."""
    _, kind, iterations, salt, expected = digest.split("$")
    assert kind == "7"
    found = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(salt), int(iterations))
    return found == base64.b64decode(expected)


def test_passwords_are_printed_once_and_stored_as_hashes(
    city: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["credentials", city, "--out", str(tmp_path)]) == 0
    printed = printed_passwords(capsys)
    hashes = read_passwords(tmp_path / "password_file")
    assert printed.keys() == hashes.keys() > {"livetwin-ingest-0", "livetwin-feed-ttn"}
    assert len(set(printed.values())) == len(printed)
    assert all(belongs(password, hashes[name]) for name, password in printed.items())
    assert not any(password in (tmp_path / "password_file").read_text() for password in printed.values())
    for name in ("password_file", "acl_file"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640
    assert run(["credentials", city, "--out", str(tmp_path)]) == 0
    assert printed_passwords(capsys) == {}
    assert read_passwords(tmp_path / "password_file") == hashes


def test_one_password_is_rotated_and_accounts_of_removed_devices_are_removed(
    city: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["credentials", city, "--out", str(tmp_path)]) == 0
    name = next(iter(sorted(printed_passwords(capsys))))
    file = tmp_path / "password_file"
    before = read_passwords(file)
    file.write_text(file.read_text() + f"gone-device:{password_hash('x')}\n")
    assert run(["credentials", city, "--out", str(tmp_path), "--rotate", name]) == 0
    printed = printed_passwords(capsys)
    after = read_passwords(file)
    assert printed.keys() == {name}
    assert belongs(printed[name], after[name])
    assert {**after, name: before[name]} == before


def test_passwords_of_roles_can_be_written_to_files(
    city: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secrets = tmp_path / "secrets"
    assert run(["credentials", city, "--out", str(tmp_path), "--secrets", str(secrets)]) == 0
    assert not any(name.startswith("livetwin-") for name in printed_passwords(capsys))
    file = secrets / "mqtt-ingest-0"
    assert stat.S_IMODE(file.stat().st_mode) == 0o400
    hashes = read_passwords(tmp_path / "password_file")
    assert belongs(file.read_text().rstrip("\n"), hashes["livetwin-ingest-0"])


def test_accounts_of_further_connections_are_kept_until_they_are_removed(
    city: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    further = {"livetwin-ingest-1", "livetwin-reader~dashboard", "livetwin-feed-ttn~second"}
    command = ["credentials", city, "--out", str(tmp_path)]
    assert run([*command, *(f"--add={name}" for name in sorted(further))]) == 0
    assert printed_passwords(capsys).keys() > further
    rights = (tmp_path / "acl_file").read_text().split("user ")
    [ingest, second] = [one for one in rights if one.startswith("livetwin-ingest-")]
    assert ingest.splitlines()[1:] == second.splitlines()[1:] != []
    assert run([*command, "--remove", "livetwin-reader~dashboard"]) == 0
    assert printed_passwords(capsys) == {}
    kept = read_passwords(tmp_path / "password_file").keys()
    assert kept & further == further - {"livetwin-reader~dashboard"}


@pytest.mark.parametrize(
    "name",
    ["livetwin-ingest-0", "livetwin-ingest-x", "livetwin-nobody~1", "livetwin-reader~a/b", "noise-1~2"],
)
def test_a_further_account_belongs_to_a_role_or_a_feed(city: str, tmp_path: Path, name: str) -> None:
    assert run(["credentials", city, "--out", str(tmp_path), "--add", name]) == 2
    assert run(["credentials", city, "--out", str(tmp_path), "--remove", name]) == 2
    assert not (tmp_path / "password_file").exists()


def test_the_further_account_of_a_removed_feed_is_removed(city: str, tmp_path: Path) -> None:
    file = tmp_path / "password_file"
    file.write_text(f"livetwin-feed-gone~2:{password_hash('x')}\n")
    assert run(["credentials", city, "--out", str(tmp_path)]) == 0
    assert "livetwin-feed-gone~2" not in read_passwords(file)


def test_an_unknown_account_cannot_be_rotated(city: str, tmp_path: Path) -> None:
    assert run(["credentials", city, "--out", str(tmp_path), "--rotate", "nobody"]) == 2
    assert not (tmp_path / "password_file").exists()


def test_a_malformed_password_file_is_not_overwritten(
    city: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "password_file").write_text("alice:in clear\n")
    assert run(["credentials", city, "--out", str(tmp_path)]) == 1
    assert "password_file:1: expected NAME:$7$" in capsys.readouterr().err
    assert (tmp_path / "password_file").read_text() == "alice:in clear\n"
