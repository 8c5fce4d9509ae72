"""The URL of a channel: one that apprise knows, or our own; secrets in it are named, never written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from apprise.plugins import N_MGR

from cities.files.items import suggestion

OWN_SCHEME = "livetwin"
LOG_URL = "livetwin://log"
"""The channel that tells nobody: its messages go into the log of the role."""

ADDRESS = "{address}"

_SECRET = re.compile(r"\$\{[A-Z][A-Z0-9_]*\}")
_BRACES = re.compile(r"\$?\{[^}]*\}?|\$\w+")
_TOKEN = re.compile(r"\\\{(\w+)\\\}")

# What the last part of a path or a list of targets may be; every other part stops at the next separator.
_LONG_TOKENS = frozenset({"targets", "path", "fullpath"})
_SECRET_WORDS = ("pass", "secret", "token", "key", "auth", "pwd")


def channel_faults(url: str) -> Iterator[str]:
    """Yield what is wrong with the URL of a channel."""
    for braces in _BRACES.findall(url):
        if braces != ADDRESS and not _SECRET.fullmatch(braces):
            # What it is, is not told: it may be a password.
            yield f"has a $ or brace that is neither {ADDRESS} nor a secret's name such as ${{MAIL_PASSWORD}}"
            return
    if _SECRET.fullmatch(url):
        return  # The whole URL is a secret; the alerting role tells if it is no good.
    scheme, separator, rest = url.partition("://")
    if not separator:
        yield f"found no scheme, expected an apprise URL such as mailtos://… or {LOG_URL}"
    elif scheme.lower() == OWN_SCHEME:
        if url != LOG_URL:
            yield f"found {url!r}, expected {LOG_URL}: there is no other channel of our own"
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


def needs_address(url: str) -> bool:
    """Whether a channel reaches nobody without the contact's own address."""
    return ADDRESS in url


@cache
def _schemes() -> frozenset[str]:
    return frozenset(N_MGR.schemas())


def _written_secrets(scheme: str, rest: str) -> set[str]:
    """Return what of a URL is private, as apprise knows it, and is written out."""
    plugin: Any = N_MGR[scheme]
    private = {name for name, one in plugin.template_tokens.items() if one.get("private")}
    path = rest.partition("?")[0].rstrip("/")
    found = {
        name
        for template in plugin.templates
        if (match := _pattern(template.partition("://")[2]).fullmatch(path))
        for name, value in match.groupdict().items()
        if name in private and not _SECRET.search(value)
    }
    for name, value in parse_qsl(urlsplit(f"x://{rest}").query, keep_blank_values=True):
        if value and not _SECRET.search(value) and _is_private(name, plugin, private):
            found.add(name.strip(" +-:"))
    return found


def _is_private(name: str, plugin: Any, private: set[str]) -> bool:
    told = plugin.template_args.get(name, {})
    alias = told.get("alias_of", ())
    aliases = {alias} if isinstance(alias, str) else set(alias)
    return bool(
        told.get("private") or aliases & private or any(word in name.lower() for word in _SECRET_WORDS)
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
