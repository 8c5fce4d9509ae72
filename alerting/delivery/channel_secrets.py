"""Secrets of channels: inserted where a URL names them, and removed from the texts of failures."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from twin.model.duty import DutyPlan, encode_duty_plan

_NAMED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_USER_INFO = re.compile(r"://[^/\s@]+@")
_SETTINGS = "LIVETWIN_"
_QUERY = re.compile(r"\?[^\s'\"]+")


def secret_names(plan: DutyPlan) -> frozenset[str]:
    """Return the names of the secrets that the channels and addresses of a plan use."""
    return frozenset(_NAMED.findall(encode_duty_plan(plan).decode()))


def reply_secret_names(plan: DutyPlan) -> frozenset[str]:
    """Return the names of the secrets in the addresses from which contacts may reply."""
    channels = {one.id for one in plan.channels if one.takes_replies}
    addresses = [one.addresses.get(channel, "") for one in plan.contacts for channel in channels]
    return frozenset(name for address in addresses for name in _NAMED.findall(address))


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
            secret = self.value(found[1])
            return secret if found.start() == 0 else quote(secret, safe="")

        return _NAMED.sub(value, template)

    def value(self, name: str) -> str:
        """Return a secret. Raises MissingSecretError, and SecretFileError when its file is invalid.

        A setting of our own is not one: whoever writes the plan must not learn the database's password.
        """
        secret = "" if name.startswith(_SETTINGS) else self.values.get(name, "")
        if not secret:
            raise MissingSecretError(name)
        return secret

    def redact(self, text: str, template: str) -> str:
        """Return a text without the secrets that a template names, and without users and queries in URLs.

        >>> secrets = ChannelSecrets({"KEY": "s3cret"})
        >>> secrets.redact("no s3cret at https://me:pw@host/?token=1", "json://${KEY}@host")
        'no ${KEY} at https://…@host/?…'
        """
        for name in _NAMED.findall(template):
            secret = self.values.get(name, "")
            for shown in _forms(secret) if secret else ():
                text = text.replace(shown, f"${{{name}}}")
        return _QUERY.sub("?…", _USER_INFO.sub("://…@", text))


def _forms(secret: str) -> tuple[str, ...]:
    """Return how a secret may be written in an answer: as it is, in a URL or a form, in JSON, in XML."""
    in_urls = quote(secret), quote(secret, safe=""), quote_plus(secret)
    return secret, *in_urls, json.dumps(secret)[1:-1], html.escape(secret)
