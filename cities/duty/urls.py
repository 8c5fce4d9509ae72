"""The URLs of a duty plan: of channels, which apprise or we know, and of rosters.

Secrets in them are named, never written; a fault does not repeat the URL, which may hold one nevertheless.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from apprise.plugins import N_MGR

from cities.files.items import suggestion
from runtime.sink_address import SinkError, SinkRules, parse_networks
from twin.model.duty import PUSH_URL
from twin.model.plain_text import control_character

OWN_SCHEME = "livetwin"
LOG_URL = "livetwin://log"
"""A channel that notifies no person: its messages go to the role's log."""

ADDRESS = "{address}"

SECRET = re.compile(r"\$\{(?!LIVETWIN_)[A-Z][A-Z0-9_]*\}")
"""A secret's name; settings are none, so that a plan cannot send the keys of the roles to anybody."""

ANY_HOST = SinkRules(parse_networks("0.0.0.0/0, ::/0"))
"""What a URL must be; whether its host may be connected to is for the role that does so."""

SECRET_WORDS = ("pass", "secret", "token", "key", "auth", "pwd", "signature")
"""Parts of names whose values are secrets."""

_BRACES = re.compile(r"\$?\{[^}]*\}?|\$\w+")

_TOKEN = re.compile(r"\\\{(\w+)\\\}")

# Tokens that may contain separators: paths and lists of targets.
_LONG_TOKENS = frozenset({"targets", "path", "fullpath"})


def channel_faults(url: str) -> Iterator[str]:
    """Yield the faults of a channel's URL."""
    if found := control_character(url):
        yield f"has the control character {found}, expected none"  # without the text, as below
        return
    for braces in _BRACES.findall(url):
        if braces != ADDRESS and not SECRET.fullmatch(braces):
            # The text is left out of the message: it may be a password.
            yield f"has a $ or brace that is neither {ADDRESS} nor a secret's name such as ${{MAIL_PASSWORD}}"
            return
    if SECRET.fullmatch(url):
        return  # The whole URL is a secret; the alerting role reports a wrong one.
    scheme, separator, rest = url.partition("://")
    if not separator:
        yield f"found no scheme, expected an apprise URL such as mailtos://… or {LOG_URL}"
    elif scheme.lower() == OWN_SCHEME:
        if url not in (LOG_URL, PUSH_URL):
            yield f"found {url!r}, expected {LOG_URL} or {PUSH_URL}: there is no other channel of our own"
    elif scheme.lower() not in _schemes():
        yield (
            f"found the scheme {scheme!r}, expected one that apprise knows"
            f"{suggestion(scheme.lower(), [OWN_SCHEME, *_schemes()])}"
        )
    else:
        written = sorted(_written_secrets(scheme.lower(), rest))
        if written:
            example = re.sub(r"\W", "_", f"{scheme}_{written[0]}").upper()
            yield f"holds a secret in clear ({', '.join(written)}), expected its name, such as ${{{example}}}"


def roster_url_faults(url: str) -> Iterator[str]:
    """Yield the faults of a roster's URL."""
    for braces in _BRACES.findall(url):
        if not SECRET.fullmatch(braces):
            yield "has a $ or brace that is not a secret's name such as ${ROSTER_URL}"
            return
    if not SECRET.fullmatch(url):
        try:
            ANY_HOST.check_url(SECRET.sub("secret", url))
        except SinkError as error:
            yield str(error)


@cache
def _schemes() -> frozenset[str]:
    return frozenset(N_MGR.schemas())


def _written_secrets(scheme: str, rest: str) -> set[str]:
    """Return the names of the private parts of a URL, as apprise defines them, that are written out."""
    plugin: Any = N_MGR[scheme]
    private = {name for name, token in plugin.template_tokens.items() if token.get("private")}
    path = rest.partition("?")[0].rstrip("/")
    found = {
        name
        for template in plugin.templates
        if (match := _pattern(template.partition("://")[2]).fullmatch(path))
        for name, value in match.groupdict().items()
        if name in private and not SECRET.search(value)
    }
    for name, value in parse_qsl(urlsplit(f"x://{rest}").query, keep_blank_values=True):
        if value and not SECRET.search(value) and _is_private(name, plugin, private):
            found.add(name.strip(" +-:"))
    return found


def _is_private(name: str, plugin: Any, private: set[str]) -> bool:
    argument = plugin.template_args.get(name, {})
    alias = argument.get("alias_of", ())
    aliases = {alias} if isinstance(alias, str) else set(alias)
    return bool(
        argument.get("private") or aliases & private or any(word in name.lower() for word in SECRET_WORDS)
    )


@cache
def _pattern(template: str) -> re.Pattern[str]:
    seen: set[str] = set()

    def group(match: re.Match[str]) -> str:
        name = match[1]
        kind = ".+" if name in _LONG_TOKENS else "[^/@?]+"
        if name in seen:
            return kind
        seen.add(name)
        return f"(?P<{name}>{kind})"

    return re.compile(_TOKEN.sub(group, re.escape(template.rstrip("/"))))
