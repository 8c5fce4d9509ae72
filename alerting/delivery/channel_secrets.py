"""Secrets of channels: inserted where a URL names them, and removed from the texts of failures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from twin.model.duty import DutyPlan, encode_duty_plan

_NAMED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_USER_INFO = re.compile(r"://[^/\s@]+@")
_QUERY = re.compile(r"\?[^\s'\"]+")


def secret_names(plan: DutyPlan) -> frozenset[str]:
    """Return the names of the secrets that the channels and addresses of a plan use."""
    return frozenset(_NAMED.findall(encode_duty_plan(plan).decode()))


class MissingSecretError(Exception):
    """A URL names a secret that the environment does not have; the message is its name."""


@dataclass(frozen=True, slots=True)
class ChannelSecrets:
    """The environment that the process was started with, and the files that it names."""

    values: Mapping[str, str] = field(repr=False)

    def fill(self, template: str) -> str:
        """Return a URL with its secrets.

        A value is quoted, so that it may contain any character, unless it is the beginning of the URL: then
        it is a URL itself. Raises MissingSecretError, and SecretFileError when a secret's file is invalid.

        >>> ChannelSecrets({"PASSWORD": "a/b", "HOOK": "json://host/x"}).fill("mailto://me:${PASSWORD}@host")
        'mailto://me:a%2Fb@host'
        >>> ChannelSecrets({"HOOK": "json://host/x"}).fill("${HOOK}")
        'json://host/x'
        """

        def value(found: re.Match[str]) -> str:
            secret = self.values.get(found[1], "")
            if not secret:
                raise MissingSecretError(found[1])
            return secret if found.start() == 0 else quote(secret, safe="")

        return _NAMED.sub(value, template)

    def redact(self, text: str, template: str) -> str:
        """Return a text without the secrets that a template names, and without users and queries in URLs.

        >>> secrets = ChannelSecrets({"KEY": "s3cret"})
        >>> secrets.redact("no s3cret at https://me:pw@host/?token=1", "json://${KEY}@host")
        'no ${KEY} at https://…@host/?…'
        """
        for name in _NAMED.findall(template):
            secret = self.values.get(name, "")
            for shown in (secret, quote(secret, safe="")):
                if shown:
                    text = text.replace(shown, f"${{{name}}}")
        return _QUERY.sub("?…", _USER_INFO.sub("://…@", text))
