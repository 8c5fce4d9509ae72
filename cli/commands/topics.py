"""`livetwin topics`: the topics of the log, and the accounts of the roles at Kafka with their rights."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from cli.mosquitto_files import new_password, write_secret
from cli.runner import read_settings
from runtime.kafka.access import Kafka
from runtime.kafka.accounts import apply_accounts
from runtime.kafka.rights import LEASE_TOPICS, RIGHTS, kafka_user
from runtime.kafka.topics import create_topics, partition_counts
from runtime.secret_files import read_secret
from runtime.settings import RoleSettings
from twin.errors import TwinError


class KafkaPasswordError(TwinError):
    """The file with the password of a role at Kafka cannot be written."""


@click.command("topics")
@click.option(
    "--accounts",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder with a file for each role, named like the role: its password at Kafka, for "
    "LIVETWIN_KAFKA_PASSWORD_FILE. Creates missing files; each role gets the account livetwin-ROLE with "
    "the password in its file (SCRAM-SHA-512), and exactly the rights that its work needs.",
)
def command(*, accounts: Path | None) -> None:
    """Create the missing topics of the log at Kafka (LIVETWIN_KAFKA), as its administrator.

    Then no role needs the right to create them.
    """
    settings = read_settings(RoleSettings)
    kafka = settings.kafka_access()
    passwords = None if accounts is None else role_passwords(accounts)
    changed = asyncio.run(_set_up(kafka, partition_counts(settings.partitions), passwords))
    click.echo("the log has its topics")
    if passwords is not None:
        click.echo(f"{changed} rights of the roles at Kafka were changed")
        click.echo(f"each role has its rights at Kafka, and the password in its file in {accounts}")


async def _set_up(kafka: Kafka, topics: dict[str, int], passwords: dict[str, str] | None) -> int:
    """Return how many rights were changed."""
    await create_topics(kafka, {**topics, **LEASE_TOPICS})
    return 0 if passwords is None else await apply_accounts(kafka, passwords)


def role_passwords(folder: Path) -> dict[str, str]:
    """Return the password of each role at Kafka from its file; create missing files with new passwords.

    Raises KafkaPasswordError or SecretFileError.
    """
    passwords = {}
    for role in RIGHTS:
        path = folder / role
        if not path.exists():
            try:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_secret(path, new_password())
            except OSError as error:
                raise KafkaPasswordError(
                    f"{path} cannot be written ({error.strerror}): expected a file with the password of "
                    f"{kafka_user(role)} at Kafka, or a folder in which it can be created"
                ) from error
        passwords[role] = read_secret("--accounts", path)
    return passwords
