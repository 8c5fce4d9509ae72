"""`livetwin credentials`: accounts and access rights of the MQTT broker."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import click

from cities.folder_reader import read_city
from cli.mosquitto_files import (
    acl_file_content,
    new_password,
    password_file_content,
    password_hash,
    read_passwords,
    write_broker_file,
    write_secret,
)
from ingest.broker_accounts import (
    FURTHER,
    ROLE_PREFIX,
    BrokerAccount,
    BrokerAccountError,
    broker_accounts,
    further_accounts,
    is_further,
)
from ingest.decoders import registry


@click.command("credentials")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for Mosquitto's password_file and acl_file; created if missing.",
)
@click.option("--rotate", "rotated", multiple=True, metavar="NAME", help="Give this account a new password.")
@click.option(
    "--secrets",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for new passwords of the roles, one file each (mode 0400), instead of printing them.",
)
@click.option("--simulator", is_flag=True, help="Add an account that may publish for every device.")
@click.option(
    "--add",
    "added",
    multiple=True,
    metavar="NAME",
    help="Add an account for a further connection: livetwin-ingest-1 for a second ingest, or ACCOUNT~NAME "
    "with the rights of the account of a role or feed (livetwin-reader~dashboard). Later runs keep it.",
)
@click.option("--remove", "removed", multiple=True, metavar="NAME", help="Remove an account of --add.")
def command(
    *,
    folder: Path,
    out: Path,
    rotated: tuple[str, ...],
    secrets: Path | None,
    simulator: bool,
    added: tuple[str, ...],
    removed: tuple[str, ...],
) -> None:
    """Write Mosquitto's accounts for the devices of a city and for the roles.

    Prints NAME and password of each new account, only this time, since only hashes are stored. Existing
    accounts keep their password; accounts of removed devices are removed. Reload Mosquitto afterwards. Each
    account has one connection at a time.
    """
    existing = read_passwords(out / "password_file")
    accounts = _with_further(
        broker_accounts(read_city(folder), registry(), simulator=simulator), existing, added, removed
    )
    names = [one.name for one in accounts]
    for name in rotated:
        if name not in names:
            raise click.UsageError(f"--rotate {name}: no such account; expected the id of a sensor")
    changed = {name: new_password() for name in names if name in rotated or name not in existing}
    hashes = {name: password_hash(changed[name]) if name in changed else existing[name] for name in names}
    out.mkdir(parents=True, exist_ok=True)
    write_broker_file(out / "acl_file", acl_file_content(accounts))
    write_broker_file(out / "password_file", password_file_content(hashes))
    if secrets is not None:
        secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, password in changed.items():
        if secrets is not None and name.startswith(ROLE_PREFIX):
            write_secret(secrets / f"mqtt-{name.removeprefix(ROLE_PREFIX)}", password)
        else:
            click.echo(f"{name}\t{password}")
    gone = len(existing.keys() - set(names))
    click.echo(
        f"{out}: {len(names)} accounts, {len(changed)} with a new password, {gone} removed; reload "
        "Mosquitto, such as with `systemctl reload mosquitto`",
        err=True,
    )


def _with_further(
    accounts: tuple[BrokerAccount, ...],
    existing: Collection[str],
    added: tuple[str, ...],
    removed: tuple[str, ...],
) -> tuple[BrokerAccount, ...]:
    """Add accounts of further connections: new ones, and those of earlier runs whose base still exists."""
    known = {account.name for account in accounts}
    for name in removed:
        if name not in existing or not is_further(name):
            raise click.UsageError(f"--remove {name}: no such account; expected one of --add")
    kept = [
        name
        for name in existing
        if is_further(name)
        and name not in removed
        and (FURTHER not in name or name.partition(FURTHER)[0] in known)
    ]
    try:
        further = further_accounts(accounts, dict.fromkeys([*kept, *added]))
    except BrokerAccountError as error:
        raise click.UsageError(f"--add {error}") from error
    return (*accounts, *further)
