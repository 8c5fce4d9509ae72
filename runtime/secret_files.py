"""Secrets from files: `LIVETWIN_X_FILE` names the file that contains the value of `LIVETWIN_X`.

Child processes, and users who may inspect a process, can read its environment. A file has an owner and a
mode, and systemd (`LoadCredential=`), Docker and Kubernetes provide secrets as files.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from twin.errors import TwinError

log = logging.getLogger(__name__)

FILE_SUFFIX = "_FILE"

# A connection URI or a key has a few hundred bytes; a larger file is the wrong file.
SECRET_BYTES_MAX = 64 * 1024


class SecretFileError(TwinError):
    """Secrets cannot be read from their files; one line for each file."""

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


def read_secret(variable: str, path: Path) -> str:
    """Return the content of a file without its final line end; warn when every user may read the file.

    Raises SecretFileError, whose message names the variable and never contains the secret.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        raise SecretFileError(
            f"{variable}: {path} cannot be read ({error.strerror}): expected a file with the secret"
        ) from error
    if len(data) > SECRET_BYTES_MAX:
        raise SecretFileError(
            f"{variable}: {path} has more than {SECRET_BYTES_MAX} bytes: expected a file with one secret"
        )
    try:
        secret = data.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise SecretFileError(f"{variable}: {path} is not text (UTF-8): write the secret as text") from error
    if not secret:
        raise SecretFileError(f"{variable}: {path} is empty: expected the secret")
    if stat.S_IMODE(mode) & stat.S_IROTH:
        log.warning(
            "%s: every user of this machine may read %s; run `chmod o-r` on it",
            variable,
            path,
            extra={"event": "settings.secret_file_readable", "variable": variable},
        )
    return secret


def is_secret(field: FieldInfo) -> bool:
    """Return whether a setting is a secret: it may come from a file, and is never shown."""
    return SecretStr in (field.annotation, *get_args(field.annotation))


def secret_value(environment: Mapping[str, str], variable: str) -> str | None:
    """Return the value of a variable, or of the file named instead; None when neither is set.

    Raises SecretFileError when the file cannot be read, or when both are set: one of them is a leftover.
    """
    path = environment.get(variable + FILE_SUFFIX)
    if path is None:
        return environment.get(variable)
    if variable in environment:
        raise SecretFileError(f"{variable} and {variable}{FILE_SUFFIX} are both set: keep one")
    return read_secret(variable + FILE_SUFFIX, Path(path))


class SecretFileSource(PydanticBaseSettingsSource):
    """A source of settings: the secrets for which the environment names files."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the secret of one setting, or None where no file is named."""
        variable = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        named = is_secret(field) and variable + FILE_SUFFIX in os.environ
        return secret_value(os.environ, variable) if named else None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the secrets from files; raise SecretFileError with every fault."""
        secrets: dict[str, Any] = {}
        faults: list[str] = []
        for name, field in self.settings_cls.model_fields.items():
            try:
                value, _, _ = self.get_field_value(field, name)
            except SecretFileError as error:
                faults += error.faults
            else:
                if value is not None:
                    secrets[name] = value
        if faults:
            raise SecretFileError(*faults)
        return secrets


class SecretEnvironment(Mapping[str, str]):
    """An environment in which `NAME_FILE` may provide the value of `NAME`.

    A file is read once, at the first access: the value in use is the value that logs redact.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._read: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """Return a secret; raise KeyError when there is none, SecretFileError when its file is unusable."""
        if name not in self._read:
            secret = secret_value(self._environment, name)
            if secret is None:
                raise KeyError(name)
            self._read[name] = secret
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._environment)

    def __len__(self) -> int:
        return len(self._environment)
