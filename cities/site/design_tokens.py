"""theme.css: the design tokens of a city, as custom properties of CSS and nothing else.

A style sheet can load files of others, hide parts of the page and read what is typed. This one cannot: it has
blocks of `:root`, each for light, dark or high-contrast pages or for all, with custom properties whose values
are numbers, words, texts and functions of `_FUNCTIONS`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

THEME_BYTES_MAX = 64 * 1024
TOKENS_MAX = 2_000
VALUE_CHARACTERS_MAX = 300

# Texts, comments, and what begins one of them without its end, or escapes: those hide where anything ends.
_QUOTED = re.compile(r"""("[^"\n\r\f\\]*"|'[^'\n\r\f\\]*')|(/\*.*?\*/)|["'\\]|/\*""", re.DOTALL)
_MEDIA = re.compile(r"@media\s*\(\s*(?:prefers-color-scheme:\s*(?:dark|light)|prefers-contrast:\s*more)\s*\)")
_NAME = re.compile(r"--[a-z][a-z0-9-]{0,120}")
_VALUE = re.compile(r"(?:[A-Za-z0-9#%.,()\s/*+_-]|\"[A-Za-z0-9 _-]*\"|'[A-Za-z0-9 _-]*')+")
_FUNCTION = re.compile(r"([A-Za-z-]*)\(")
_FUNCTIONS = frozenset(
    {
        *("", "calc", "clamp", "max", "min", "var"),
        *("color-mix", "hsl", "hsla", "hwb", "lab", "lch", "light-dark", "oklab", "oklch", "rgb", "rgba"),
        *("cubic-bezier", "steps"),
    }
)


def theme_faults(content: bytes) -> Iterator[tuple[int, str]]:
    """Yield line and message of each fault of a file; at most one for each declaration."""
    if len(content) > THEME_BYTES_MAX:
        yield 1, f"found {len(content)} bytes, expected at most {THEME_BYTES_MAX}"
        return
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        yield 1, "text is not UTF-8"
        return
    unclosed = next((found for found in _QUOTED.finditer(text) if not (found[1] or found[2])), None)
    if unclosed is not None:
        yield _line(text, unclosed.start()), f"found {unclosed[0]} without its end, or an escape"
        return
    # Comments keep their line feeds, so that lines count as in the file.
    text = _QUOTED.sub(lambda found: found[1] or "\n" * found[0].count("\n"), text)
    yield from _block_faults(text, 0, len(text), nested=False)
    tokens = text.count(";")
    if tokens > TOKENS_MAX:
        yield 1, f"found {tokens} declarations, expected at most {TOKENS_MAX}"


def _block_faults(text: str, start: int, end: int, *, nested: bool) -> Iterator[tuple[int, str]]:
    """Yield the faults of the blocks in a part of the text."""
    place = start
    while text[place:end].strip():
        opening = text.find("{", place, end)
        if opening < 0:
            yield _line(text, place), f"found {_cut(text[place:end])}, expected a block of :root"
            return
        selector = text[place:opening].strip()
        closing = _closing(text, opening, end)
        if closing is None:
            yield _line(text, opening), "found a block without its }"
            return
        at = _line(text, opening - len(text[place:opening].lstrip()))
        if selector == ":root":
            yield from _token_faults(text, opening + 1, closing)
        elif not nested and _MEDIA.fullmatch(selector):
            yield from _block_faults(text, opening + 1, closing, nested=True)
        else:
            yield (
                at,
                f"found {_cut(selector)}, expected :root, alone or in @media (prefers-color-scheme: dark), "
                "(prefers-color-scheme: light) or (prefers-contrast: more)",
            )
        place = closing + 1


def _closing(text: str, opening: int, end: int) -> int | None:
    depth = 0
    for found in re.finditer("[{}]", text[opening:end]):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return opening + found.start()
    return None


def _token_faults(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    place = start
    for declaration in text[start:end].split(";"):
        line = _line(text, place + len(declaration) - len(declaration.lstrip()))
        place += len(declaration) + 1
        if not declaration.strip():
            continue
        name, colon, value = (each.strip() for each in declaration.partition(":"))
        if not colon or not _NAME.fullmatch(name):
            yield line, f"found {_cut(name)}, expected a custom property such as --utrecht-button-color"
        elif not value or len(value) > VALUE_CHARACTERS_MAX:
            yield line, f"{name}: found {len(value)} characters, expected 1 to {VALUE_CHARACTERS_MAX}"
        elif not _VALUE.fullmatch(value):
            yield line, f"{name}: found {_cut(value)}, expected numbers, words, colours, texts and functions"
        else:
            unknown = sorted(set(_FUNCTION.findall(value)) - _FUNCTIONS)
            if unknown:
                expected = ", ".join(sorted(_FUNCTIONS - {""}))
                yield line, f"{name}: found the function {unknown[0]}, expected one of {expected}"


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _cut(text: str) -> str:
    stripped = text.strip()
    return repr(stripped if len(stripped) <= 60 else stripped[:60] + "…")
