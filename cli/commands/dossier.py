"""`livetwin dossier`: make and verify the dossier of an alarm, and make the key that signs dossiers."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
import msgspec

from api.dossier.builder import (
    SETTLED_AFTER,
    DossierRequest,
    MadeDossier,
    make_dossier,
    unknown_dossier,
)
from api.settings import ApiSettings
from cli.runner import read_settings
from runtime.clock import system_clock
from runtime.signing_key import PublicKey, SigningError, SigningKey, create_key_file
from storage.database import connect
from storage.stores.dossier_register import record_dossier
from twin.dossier.dossier_file import FILE_BYTES_MAX, DossierError
from twin.instant import SECOND, Instant, parse_instant

THUMBPRINT_CHARACTERS = 43


class DossierGroup(click.Group):
    """The group `dossier`, of which `make` is what a first argument that is no command is for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read `livetwin dossier ALARM` as `livetwin dossier make ALARM`."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["make", *args]
        return super().parse_args(ctx, args)


@click.group("dossier", cls=DossierGroup)
def command() -> None:
    """Everything that an alarm rests on and led to, in one signed file.

    `livetwin dossier ALARM` makes it, `livetwin dossier verify FILE --key KEY` verifies it offline.
    """


def _instant(_: click.Context, __: click.Parameter, text: str | None) -> Instant | None:
    try:
        return parse_instant(text) if text is not None else None
    except ValueError as error:
        raise click.BadParameter(f"found {text!r}, expected a time such as 2026-11-01T00:00:00Z") from error


@command.command("make")
@click.argument("alarm", metavar="ALARM")
@click.option(
    "--at",
    callback=_instant,
    help="As it was known then, with UTC offset; 30 s ago by default, and at the latest.",
)
@click.option("--occurrence", type=click.IntRange(1), help="Number of the occurrence; the last by default.")
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="The file to write; not one that exists."
)
def make(*, alarm: str, at: Instant | None, occurrence: int | None, out: Path | None) -> None:
    """Write the dossier of ALARM, an id such as high-water~alkmaar.schermer.

    Reads the database (LIVETWIN_DATABASE, LIVETWIN_CITY) and signs with LIVETWIN_DOSSIER_KEY.
    """
    settings = read_settings(ApiSettings)
    if settings.dossier_key is None:
        raise SigningError(
            "LIVETWIN_DOSSIER_KEY is not set: `livetwin dossier key FILE` makes a key; then set "
            "LIVETWIN_DOSSIER_KEY_FILE to this file"
        )
    key = SigningKey.from_pem(settings.dossier_key.get_secret_value())
    latest = system_clock() - SETTLED_AFTER
    if at is not None and at > latest:
        raise click.BadParameter(
            f"expected a time at least {SETTLED_AFTER // SECOND} s ago: later events may not be stored yet",
            param_hint="--at",
        )
    request = DossierRequest(alarm, at if at is not None else latest, occurrence)

    async def run() -> MadeDossier | None:
        async with await connect(settings.database.get_secret_value(), role="dossier") as connection:
            made = await make_dossier(connection, settings.city, settings.partitions, request, key)
            if made is not None:
                issued = made.occurrence, request.at, bytes.fromhex(made.sha256)
                await record_dossier(connection, alarm, issued, None)
            return made

    made = asyncio.run(run())
    if made is None:
        raise DossierError(unknown_dossier(request))
    path = out or Path(f"{alarm}~{made.occurrence}.dossier.zip".replace("/", "_"))
    try:
        with path.open("xb") as file:
            file.write(made.data)
    except OSError as error:
        raise DossierError(f"{path} cannot be written ({error.strerror}): name another file") from error
    click.echo(f"{path}: {len(made.data):,} bytes, SHA-256 {made.sha256}")
    click.echo(f"signed by {key.public.thumbprint}")


@command.command("verify")
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--key",
    help="The key that you trust, which you did not get together with the file: its thumbprint, or a file "
    "with a JSON Web Key (Set).",
)
def verify(*, file: Path, key: str | None) -> None:
    """Verify the dossier in FILE offline: signature, digests, and the replay to the same decision.

    Without --key the output says that nobody compared the key.

    Exit code 0: all agrees; 1: it does not, or the file is not the one that was signed.
    """
    # Loading the stages takes a second: the other commands do without.
    from cli.dossier.verification import verify_dossier  # noqa: PLC0415

    with file.open("rb") as opened:
        data = opened.read(FILE_BYTES_MAX + 1)
    trusted = _trusted_thumbprints(key) if key is not None else None
    verification = verify_dossier(data, trusted)
    for line in verification.lines:
        click.echo(line)
    for fault in verification.faults:
        click.echo(f"{'DIFFERS':<14}{fault}")
    if not verification.verified:
        raise DossierError(
            f"{file}: signed and unchanged, but the replay differs in {len(verification.faults)} places"
        )
    click.echo(f"{file}: verified")


def _trusted_thumbprints(text: str) -> frozenset[str]:
    """Return the thumbprints that an option names: one, or those of the keys in a file."""
    path = Path(text)
    if not path.is_file():
        if len(text) != THUMBPRINT_CHARACTERS:
            raise click.BadParameter(
                f"found {text!r}, expected a thumbprint of {THUMBPRINT_CHARACTERS} characters, or a file "
                "with a JSON Web Key (Set)",
                param_hint="--key",
            )
        return frozenset({text})
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SigningError(f"{path} is not JSON: {error}; expected a JSON Web Key (Set)") from error
    keys = found.get("keys", [found]) if isinstance(found, dict) else []
    if not isinstance(keys, list) or not keys:
        raise SigningError(f"{path} has no keys: expected a JSON Web Key (Set)")
    return frozenset(PublicKey.from_jwk(one).thumbprint for one in keys)


@command.command("key")
@click.argument("file", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--public", "show", is_flag=True, help="Print the public key of a key file that exists.")
def key(*, file: Path, show: bool) -> None:
    """Make the key that signs dossiers in FILE (mode 0600), and print its public key.

    Publish the public key, and its thumbprint where people can compare it: on the city's site, on paper.
    """
    if show:
        try:
            public = SigningKey.from_pem(file.read_text()).public
        except (OSError, UnicodeDecodeError) as error:
            raise SigningError(f"{file} cannot be read: {error}") from error
    else:
        public = create_key_file(file)
        click.echo(f"{file} is written: set LIVETWIN_DOSSIER_KEY_FILE to it, and back it up", err=True)
    click.echo(msgspec.json.encode({"keys": [public.jwk()]}).decode())
    click.echo(f"thumbprint {public.thumbprint}", err=True)
    sys.stdout.flush()
