"""The file of a backup is complete or missing, and a damaged one is refused."""

from __future__ import annotations

import io
import stat
from pathlib import Path

import msgspec
import pytest

from cli.backup.archive import KEYS_FOLDER, open_for_reading, open_for_writing
from cli.backup.manifest import LAYOUT, BackupError, BackupManifest, decode_manifest
from storage.schema.migrate import known_migrations

CONTENT = b"every observation" * 1_000


def write(
    path: Path, *, name: str = KEYS_FOLDER + "link.key", layout: int = LAYOUT, migration: str = ""
) -> None:
    with open_for_writing(path) as backup:
        backup.add(name, io.BytesIO(CONTENT))
        backup.finish(
            BackupManifest(
                layout=layout,
                version="0.1.0",
                time="2026-11-23T12:00:00Z",
                migration=migration or known_migrations()[-1].name,
                timescale="2.19.3",
                edition="apache",
                members=backup.members,
            )
        )


def test_a_backup_is_read_back_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    write(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with open_for_reading(path) as backup:
        assert backup.member_names(KEYS_FOLDER) == ["link.key"]
        with backup.open(KEYS_FOLDER + "link.key") as member:
            assert member.read() == CONTENT
    assert list(tmp_path.iterdir()) == [path]


def test_a_backup_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    path.write_text("precious")
    with pytest.raises(BackupError, match="already exists"):
        write(path)
    assert path.read_text() == "precious"


def test_a_backup_that_fails_leaves_nothing(tmp_path: Path) -> None:
    class FullDisk(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"), open_for_writing(tmp_path / "a.backup") as backup:
        backup.add("database.dump", FullDisk())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("position", [0.1, 0.5, 0.9])
def test_a_damaged_backup_is_refused(tmp_path: Path, position: float) -> None:
    path = tmp_path / "a.backup"
    write(path)
    data = bytearray(path.read_bytes())
    data[int(len(CONTENT) * position)] ^= 1
    path.write_bytes(data)
    with pytest.raises(BackupError, match="damaged"), open_for_reading(path):
        pass


@pytest.mark.parametrize("kept", [0, 100, 17_100])
def test_a_truncated_backup_is_refused(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "a.backup"
    write(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BackupError, match="not a complete backup"), open_for_reading(path):
        pass


def test_a_backup_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.backup", layout=LAYOUT + 1)
    with pytest.raises(BackupError, match=f"layout {LAYOUT + 1}"), open_for_reading(tmp_path / "a.backup"):
        pass
    write(tmp_path / "b.backup", migration="9999_add_future.sql")
    with pytest.raises(BackupError, match="9999_add_future"), open_for_reading(tmp_path / "b.backup"):
        pass


def test_a_member_name_with_a_path_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    write(path, name=KEYS_FOLDER + "../../passwd")
    with open_for_reading(path) as backup, pytest.raises(BackupError, match="invalid name"):
        backup.member_names(KEYS_FOLDER)


def test_the_manifest_is_formatted_for_people(tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    write(path)
    with open_for_reading(path) as backup:
        shown = msgspec.json.format(msgspec.json.encode(backup.manifest)).decode()
    assert shown.encode() in path.read_bytes()


@pytest.mark.parametrize(
    ("data", "message"),
    [(b'{"layout":' + b"[" * 5_000, "5001 levels deep"), (b'{"layout":"\xff"}', "utf-8"), (b"[]", "object")],
)
def test_a_malformed_manifest_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(BackupError, match=f"cannot be read.*{message}"):
        decode_manifest(data)
