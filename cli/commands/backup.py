"""`livetwin backup`: write database, journal and keys to one file while everything runs."""

from __future__ import annotations

import asyncio
import importlib.metadata
import sqlite3
import tempfile
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import click

from cli.backup.archive import DATABASE_DUMP, JOURNALS_FOLDER, KEYS_FOLDER, BackupWriter, open_for_writing
from cli.backup.database_dump import dump_database
from cli.backup.manifest import LAYOUT, BackupError, BackupManifest
from cli.runner import read_settings
from cli.supervisor.data_dir import KEY_FILES
from cli.supervisor.ports_file import PORTS_FILE_NAME, read_ports_file
from runtime.clock import system_clock
from runtime.settings import RoleSettings
from storage.database import connect
from storage.schema.database_restore import DatabaseFacts, read_database_facts
from twin.instant import SECOND, format_instant


@click.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Data dir of a running `livetwin up`; else LIVETWIN_DATABASE and LIVETWIN_STATE_DIR, without keys.",
)
def command(*, file: Path, data_dir: Path | None) -> None:
    """Write database, journal of the duty loop and keys to FILE, which must not exist.

    The file contains secrets and personal data: encrypt it, and store it on another machine.
    """
    if data_dir is None:
        settings = read_settings(RoleSettings)
        _back_up(file, settings.database.get_secret_value(), settings.state_dir, ())
    else:
        keys = [key for name in KEY_FILES if (key := data_dir / name).exists()]
        _back_up(file, _embedded_dsn(data_dir), data_dir / "state", keys)


def _embedded_dsn(data_dir: Path) -> str:
    try:
        return str(read_ports_file(data_dir / PORTS_FILE_NAME)["database"])
    except FileNotFoundError as error:
        raise BackupError(
            f"no `livetwin up` is running in {data_dir}: start it, or copy the folder, which is consistent "
            "while nothing runs in it"
        ) from error


def _back_up(file: Path, dsn: str, state_dir: Path, keys: Iterable[Path]) -> None:
    time = format_instant(system_clock() // SECOND * SECOND)
    facts = asyncio.run(_facts(dsn))
    with open_for_writing(file) as backup:
        for key in keys:
            with key.open("rb") as source:
                backup.add(KEYS_FOLDER + key.name, source)
        # Journals before the database: an alarm that is missing in a journal is notified again, but an alarm
        # that only the journal contains would never be notified.
        for journal in sorted(state_dir.glob("alerting-*.sqlite")):
            _add_journal(backup, journal)
        with dump_database(dsn) as dump:
            backup.add(DATABASE_DUMP, dump)
        backup.finish(
            BackupManifest(
                layout=LAYOUT,
                version=importlib.metadata.version("livetwin"),
                time=time,
                migration=facts.migration,
                timescale=facts.timescale,
                edition=facts.edition,
                members=backup.members,
            )
        )
    mib = backup.members[DATABASE_DUMP].bytes / (1 << 20)
    others = [name for name in backup.members if name != DATABASE_DUMP]
    click.echo(f"{file} contains the database ({mib:.1f} MiB){''.join(', ' + name for name in others)}")


async def _facts(dsn: str) -> DatabaseFacts:
    async with await connect(dsn, role="backup") as connection:
        return await read_database_facts(connection)


def _add_journal(backup: BackupWriter, journal: Path) -> None:
    """Add a consistent copy of a journal, while the duty loop keeps writing to it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / journal.name
        with (
            closing(sqlite3.connect(f"file:{journal}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        with copy.open("rb") as file:
            backup.add(JOURNALS_FOLDER + journal.name, file)
