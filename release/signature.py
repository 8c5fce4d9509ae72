"""The list of digests of a release and its signature, in the formats of sha256sum and of OpenSSH.

Both are checked with programs that every machine has, without LiveTwin and without a network: see
docs/how-to/release.md.
"""

from __future__ import annotations

import hashlib
import shlex
import subprocess
from pathlib import Path

DIGESTS = "SHA256SUMS"
NAMESPACE = "livetwin-release"
"""What the key signs here: a signature of the same key for another purpose is none of a release."""


class SignatureError(Exception):
    """A release cannot be signed."""


def write_digests(folder: Path) -> Path:
    """Write the SHA-256 of each file of a folder to a file in it, as sha256sum writes them."""
    target = folder / DIGESTS
    files = sorted(path for path in folder.iterdir() if not path.name.startswith(DIGESTS))
    target.write_text(
        "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)
    )
    return target


def sign(file: Path, key: Path) -> Path:
    """Sign a file with a private key of OpenSSH, or with a public one whose private part an agent holds.

    Return the file of the signature; raise SignatureError if ssh-keygen refuses.
    """
    signature = file.with_name(f"{file.name}.sig")
    signature.unlink(missing_ok=True)
    _ssh_keygen(
        *("-q", "-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(file)),
        hint=f"{file} stays as it is, without a signature: run this command again when the key can sign",
    )
    return signature


def fingerprint(key: Path) -> str:
    """Return the fingerprint of a key, by which people compare keys."""
    return _ssh_keygen("-l", "-f", str(key), hint="`ssh-keygen -t ed25519 -f FILE` makes a key").split()[1]


def _ssh_keygen(*arguments: str, hint: str) -> str:
    command = ["ssh-keygen", *arguments]
    try:
        return subprocess.run(
            command, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
        ).stdout
    except FileNotFoundError as error:
        raise SignatureError("ssh-keygen is missing: apt-get install openssh-client") from error
    except subprocess.CalledProcessError as error:
        raise SignatureError(f"`{shlex.join(command)}`: {error.stderr.strip()}; {hint}") from error
