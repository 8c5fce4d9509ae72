"""An archive depends on names and content alone."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

from release.archive import write_archive


def write_files(folder: Path, *, mode: int, time: int) -> Path:
    for name in ("b.html", "a/c.js", "a/.doctrees/x"):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
        file.chmod(mode)
        os.utime(file, (time, time))
    return folder


def test_owner_mode_time_and_order_of_files_make_no_difference(tmp_path: Path) -> None:
    for name, mode, time in (("one", 0o644, 1_000), ("other", 0o600, 2_000)):
        folder = write_files(tmp_path / name, mode=mode, time=time)
        target = tmp_path / f"out-{name}" / "page.tar.gz"
        target.parent.mkdir()
        write_archive(folder, target, epoch=1_700_000_000)
    assert (tmp_path / "out-one/page.tar.gz").read_bytes() == (
        tmp_path / "out-other/page.tar.gz"
    ).read_bytes()


def test_files_are_in_a_folder_of_the_archives_name_without_what_is_left_out(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "site", mode=0o644, time=1_000)
    target = tmp_path / "docs-1.0.tar.gz"
    write_archive(folder, target, epoch=1_700_000_000, leave_out=frozenset({".doctrees"}))
    with tarfile.open(target) as tar:
        assert tar.getnames() == ["docs-1.0/a/c.js", "docs-1.0/b.html"]
        assert {one.mtime for one in tar} == {1_700_000_000}
