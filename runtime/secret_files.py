"""Secrets from files: `LIVETWIN_X_FILE` names the file that holds what `LIVETWIN_X` would say.

An environment is seen by every program that a process starts and by whoever may look at the process; a file
has an owner and a mode, and is what systemd (`LoadCredential=`), Docker and Kubernetes hand secrets over in.
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

# A connection URI or a key has a few hundred bytes; what is larger is not the file that was meant.
SECRET_BYTES_MAX = 64 * 1024


class SecretFileError(TwinError):
    """Secrets cannot be read from their files; one line for each."""

    def __init__(self, *faults: str) -> None:
        self.faults = faults
        super().__init__("\n".join(faults))


def read_secret(variable: str, path: Path) -> str:
    """Return what a file holds without the line end at its end; warn when everybody may read it.

    Raises SecretFileError, whose message names the variable and never says what the file holds.
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
        raise SecretFileError(f"{variable}: {path} has more than {SECRET_BYTES_MAX} bytes: no secret has")
    try:
        secret = data.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise SecretFileError(f"{variable}: {path} is not text (UTF-8): write the secret as text") from error
    if not secret:
        raise SecretFileError(f"{variable}: {path} is empty: expected the secret")
    if stat.S_IMODE(mode) & stat.S_IROTH:
        log.warning("%s: everybody on this machine may read %s; `chmod o-r` it", variable, path)
    return secret


def is_secret(field: FieldInfo) -> bool:
    """Whether a setting is a secret, so that a file may hold it and nothing may show it."""
    return SecretStr in (field.annotation, *get_args(field.annotation))


def secret_value(environment: Mapping[str, str], variable: str) -> str | None:
    """Return what a variable says, or the file that it has instead; None where the environment has neither.

    Raises SecretFileError when the file cannot be read, or when there are both: one of them is forgotten.
    """
    path = environment.get(variable + FILE_SUFFIX)
    if path is None:
        return environment.get(variable)
    if variable in environment:
        raise SecretFileError(f"{variable} and {variable}{FILE_SUFFIX} are both set: keep one")
    return read_secret(variable + FILE_SUFFIX, Path(path))


class SecretFileSource(PydanticBaseSettingsSource):
    """The secrets of a settings class for which the environment names files."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the secret of one setting, or None where no file is named."""
        variable = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        named = is_secret(field) and variable + FILE_SUFFIX in os.environ
        return secret_value(os.environ, variable) if named else None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return what files hold; raise SecretFileError with every fault."""
        found: dict[str, Any] = {}
        faults: list[str] = []
        for name, field in self.settings_cls.model_fields.items():
            try:
                value, _, _ = self.get_field_value(field, name)
            except SecretFileError as error:
                faults += error.faults
            else:
                if value is not None:
                    found[name] = value
        if faults:
            raise SecretFileError(*faults)
        return found


class SecretEnvironment(Mapping[str, str]):
    """An environment in which `NAME_FILE` stands for `NAME`.

    A file is read once, when its secret is first asked for: what is handed out is what is taken out of logs.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._read: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """Return a secret; raise KeyError when there is none, SecretFileError when its file is no good."""
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
