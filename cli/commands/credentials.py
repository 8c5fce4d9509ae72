"""`livetwin credentials`: who may do what at the MQTT broker."""

from __future__ import annotations

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
from ingest.broker_accounts import ROLE_PREFIX, broker_accounts
from ingest.decoders import registry


@click.command("credentials")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for Mosquitto's password_file and acl_file; made when it is missing.",
)
@click.option("--rotate", "rotated", multiple=True, metavar="NAME", help="Give this account a new password.")
@click.option(
    "--secrets",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for new passwords of our own accounts, a file each (mode 0400), instead of printing them.",
)
@click.option("--simulator", is_flag=True, help="Have an account that may publish for every device.")
def command(
    *, folder: Path, out: Path, rotated: tuple[str, ...], secrets: Path | None, simulator: bool
) -> None:
    """Write the accounts of a city's devices, and of our roles, for Mosquitto.

    Prints NAME and password of each new account, this once: only hashes are kept. Accounts that exist keep
    their password, those of devices that are gone go. Have Mosquitto read the files again afterwards.
    """
    accounts = broker_accounts(read_city(folder), registry(), simulator=simulator)
    names = [one.name for one in accounts]
    for name in rotated:
        if name not in names:
            raise click.UsageError(f"--rotate {name}: there is no such account; expected the id of a sensor")
    known = read_passwords(out / "password_file")
    fresh = {name: new_password() for name in names if name in rotated or name not in known}
    hashes = {name: password_hash(fresh[name]) if name in fresh else known[name] for name in names}
    out.mkdir(parents=True, exist_ok=True)
    write_broker_file(out / "acl_file", acl_file_content(accounts))
    write_broker_file(out / "password_file", password_file_content(hashes))
    if secrets is not None:
        secrets.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, password in fresh.items():
        if secrets is not None and name.startswith(ROLE_PREFIX):
            write_secret(secrets / f"mqtt-{name.removeprefix(ROLE_PREFIX)}", password)
        else:
            click.echo(f"{name}\t{password}")
    gone = len(known.keys() - set(names))
    click.echo(
        f"{out}: {len(names)} accounts, {len(fresh)} with a new password, {gone} removed; have Mosquitto "
        "read them again, as with `systemctl reload mosquitto`",
        err=True,
    )
