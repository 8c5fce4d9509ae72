"""`livetwin restore`: restore a backup into a new data dir or into an empty database."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import click

from cli.backup.archive import DATABASE_DUMP, JOURNALS_FOLDER, KEYS_FOLDER, BackupReader, open_for_reading
from cli.backup.database_dump import restore_database
from cli.backup.manifest import BackupError
from cli.embedded.postgres import EmbeddedPostgres
from cli.runner import read_settings
from cli.supervisor.data_dir import KEY_FILES, DataDir
from runtime.settings import RoleSettings
from storage.database import connect
from storage.schema.database_restore import DatabaseFacts, finish_restore, prepare_restore
from storage.schema.migrate import migrate


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="New data dir for `livetwin up`; else LIVETWIN_DATABASE, an empty one, and LIVETWIN_STATE_DIR.",
)
def command(*, file: Path, data_dir: Path | None) -> None:
    """Restore FILE, which `livetwin backup` has written. Nothing is overwritten."""
    with open_for_reading(file) as backup:
        if data_dir is None:
            settings = read_settings(RoleSettings)
            _restore_journals(backup, settings.state_dir)
            asyncio.run(_fill(backup, settings.database.get_secret_value()))
        else:
            _restore_data_dir(backup, data_dir)
        click.echo(f"restored the backup of {backup.manifest.time}")


def _restore_data_dir(backup: BackupReader, path: Path) -> None:
    present = sorted(entry.name for entry in path.iterdir()) if path.exists() else []
    if present:
        raise BackupError(
            f"{path} already contains {present[0]}: choose a new folder; nothing is overwritten"
        )
    data_dir = DataDir(path)
    try:
        for name in backup.member_names(KEYS_FOLDER):
            if name not in KEY_FILES:
                raise BackupError(f"the backup contains a key that this program does not know: {name!r}")
            _restore_file(backup, KEYS_FOLDER + name, data_dir.path / name)
        _restore_journals(backup, data_dir.path / "state")
        asyncio.run(_fill_embedded(backup, data_dir.path))
    finally:
        data_dir.release()


def _restore_journals(backup: BackupReader, state_dir: Path) -> None:
    names = backup.member_names(JOURNALS_FOLDER)
    for name in names:
        if (state_dir / name).exists():
            raise BackupError(f"{state_dir / name} already exists: choose another LIVETWIN_STATE_DIR")
    for name in names:
        _restore_file(backup, JOURNALS_FOLDER + name, state_dir / name)


def _restore_file(backup: BackupReader, name: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    with backup.open(name) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)


async def _fill_embedded(backup: BackupReader, data_dir: Path) -> None:
    postgres = EmbeddedPostgres(data_dir)
    await postgres.start()
    try:
        await postgres.create_database()
        await _fill(backup, postgres.dsn())
    finally:
        await postgres.stop()


async def _fill(backup: BackupReader, dsn: str) -> None:
    manifest = backup.manifest
    facts = DatabaseFacts(manifest.migration, manifest.timescale, manifest.edition)
    async with await connect(dsn, role="restore") as connection:
        await connection.set_autocommit(True)
        await prepare_restore(connection, facts)
    with backup.open(DATABASE_DUMP) as dump:
        await asyncio.to_thread(restore_database, dsn, dump)
    async with await connect(dsn, role="restore") as connection:
        await connection.set_autocommit(True)
        await finish_restore(connection)
    await migrate(dsn)
