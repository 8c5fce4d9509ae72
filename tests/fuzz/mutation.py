"""Mutations of valid inputs, as by a broken gateway or an attacker.

Everything follows from the given `random.Random`. There are mutations of bytes, of lines, and of the nodes of
a JSON document, where a node may become text that no JSON library would write.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

SIZE_MAX = 256 * 1024
"""Largest size of an input: the size that decoders refuse."""

ODD_TEXTS = (
    b"null", b"true", b"NaN", b"-Infinity", b"1e999", b"-1e-999", b"-0", b"0x10", b"1_000", b"+1", b".5",
    b'""', b'"nan"', b"[]", b"{}", b"9" * 400, b"9" * 10_000, b"[" * 3_000, b'{"a":' * 3_000, b"(" * 3_000,
    b'"\\ud800"', b'"\\ud800\\udc00"', b'"\\u0000"', b"\0", b"%00", b"\xff", b"\xc0\x80", b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae", b"\r\n", b"\n", b"\r", b"\t", b"\x1b[2J", b"(", b")", b"*", b"!", b"/", b"#", b"+",
    b"$", b"'", b'"', b"\\",
    b"..", b"../../etc/passwd", b"<!--", b"<![CDATA[", b"&amp;", b"&x;", b"--", b";", b":", b",", b"=",
    b"&", b"?", b" ",
    b"-1", b"0", b"1", b"2147483648", b"9223372036854775807", b"9223372036854775808", b"18446744073709551616",
    b"1970-01-01T00:00:00Z", b"0001-01-01T00:00:00Z", b"9999-12-31T23:59:59Z", b"9999-12-31T23:59:59-23:59",
    b"2026-02-30T25:61:61Z", b"P1Y", b"P999999999D", b"PT0S", b"2026-10-25T02:30:00", b"632525252525S",
)  # fmt: skip
"""Bytes to insert anywhere."""

ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, -0.0, 0.5, 1e308, 2**28, 2**31, 2**63, 2**64, 10**40, 10**400, -(10**18),
    1792888200, 1792888200123, 700101010000, "", " ", "nan", "-7.5", "1e999", "\0", "\ud800", "é" * 300,
    "x" * 70_000,
    "\u202egnp", "🌊", "m3", "urn:dev:", "area.rainfall", "2026-10-25T02:30:00", "2026-10-25T02:30:00+02:00",
    "0001-01-01T00:00:00", "9999-12-31T23:59:59-23:59", "PT10M", "P1D", "alkmaar", "../..", [], [[]], {},
    {"v": 1},
    {"values": []}, {"time": []}, {"id": "a"}, [0, 0], [4.75, 52.63],
)  # fmt: skip
"""Replacements for any node of a document."""


class RawNode(str):
    """A node that is written unchanged, even if it is not JSON."""

    __slots__ = ()


RAW_NODES = tuple(
    RawNode(literal)
    for literal in (
        "1e999", "-1e999", "9" * 10_000, "NaN", "Infinity", "01", "0." + "3" * 5_000, '"\\ud800"', '"\\u0000"'
    )
)  # fmt: skip


class ObjectMembers(list[tuple[str, Any]]):
    """The members of an object in order; a name may occur twice."""


def serialized(node: Any) -> str:
    """Return a document as text. Raises RecursionError when it is nested too deep."""
    if isinstance(node, RawNode):
        return node
    if isinstance(node, ObjectMembers):
        return "{" + ",".join(f"{json.dumps(name)}:{serialized(one)}" for name, one in node) + "}"
    if isinstance(node, list):
        return "[" + ",".join(map(serialized, node)) + "]"
    return json.dumps(node)


def mutate(data: bytes, dice: random.Random, others: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Return a mutation of `data`; pieces of `others` and `words` of the format may be inserted."""
    for _ in range(dice.choice((1, 1, 1, 2, 3, 5))):
        data = dice.choice(_KINDS)(data, dice, others, words)
    return data[:SIZE_MAX]


Mutation = Callable[[bytes, random.Random, Sequence[bytes], Sequence[bytes]], bytes]


def _span(data: bytes, dice: random.Random) -> tuple[int, int]:
    start = dice.randrange(len(data) + 1)
    return start, min(len(data), start + dice.choice((0, 1, 1, 2, 4, 8, 20, 200)))


def _of_bytes(data: bytes, dice: random.Random, others: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    start, end = _span(data, dice)
    new = b""
    match dice.randrange(7):
        case 0:
            return data[:start] if dice.random() < 0.5 else data[start:]
        case 1:
            new = data[start:end] * dice.choice((2, 2, 3, 50, 2_000))
        case 2:
            new = dice.randbytes(end - start)
        case 3 if data:
            start = dice.randrange(len(data))
            end = start + 1
            new = bytes((data[start] ^ (1 << dice.randrange(8)),))
        case 4:
            other = dice.choice(others)
            first, last = _span(other, dice)
            new = other[first : last + dice.choice((0, 100, 10_000))]
        case 5:
            new = dice.choice(words if words and dice.random() < 0.5 else ODD_TEXTS)
    return data[:start] + new + data[end:]


def _of_tokens(data: bytes, dice: random.Random, others: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Replace a number, a name or a text."""
    start = dice.randrange(len(data) + 1)
    while start < len(data) and not _is_word(data[start]):
        start += 1
    while start > 0 and _is_word(data[start - 1]):
        start -= 1
    end = start
    while end < len(data) and _is_word(data[end]):
        end += 1
    pool = words if words and dice.random() < 0.5 else ODD_TEXTS
    return data[:start] + dice.choice(pool) + data[end:]


def _is_word(one: int) -> bool:
    return chr(one).isalnum() or one in b"._-+:"


def _of_lines(data: bytes, dice: random.Random, others: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    lines = data.splitlines(keepends=True)
    if len(lines) < 2:
        return _of_bytes(data, dice, others, words)
    first, second = dice.randrange(len(lines)), dice.randrange(len(lines))
    match dice.randrange(4):
        case 0:
            del lines[first]
        case 1:
            lines[first:first] = [lines[second]] * dice.choice((1, 1, 2, 300))
        case 2:
            lines[first], lines[second] = lines[second], lines[first]
        case _:
            theirs = dice.choice(others).splitlines(keepends=True)
            lines[first : first + 1] = theirs[: dice.choice((1, 3))] if theirs else []
    return b"".join(lines)


def _of_nodes(data: bytes, dice: random.Random, others: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """Change a node of a JSON document; in a request, of the body behind the first empty line."""
    head, empty, body = data.partition(b"\n\n")
    prefix = head + empty if empty else b""
    try:
        document = json.loads(body if empty else data, object_pairs_hook=ObjectMembers)
        return prefix + serialized(_restructured(document, dice)).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return _of_tokens(data, dice, others, words)


def _restructured(document: Any, dice: random.Random) -> Any:
    if not isinstance(document, list) or not document:
        return _new(document, dice)
    node = document
    while True:
        place = dice.randrange(len(node))
        below = node[place][1] if isinstance(node, ObjectMembers) else node[place]
        if not (isinstance(below, list) and below and dice.random() < 0.75):
            break
        node = below
    _change(node, place, below, dice)
    return document


def _change(node: list[Any], place: int, below: Any, dice: random.Random) -> None:
    way = dice.random()
    if way < 0.15:
        del node[place]
    elif way < 0.3:
        node[place:place] = [node[place]] * dice.choice((1, 1, 2, 1_200))
    elif isinstance(node, ObjectMembers):
        name = node[place][0]
        if way < 0.4:
            node[place] = dice.choice((name + "_", "", "\0", "time", "values", name[:-1])), below
        else:
            node[place] = name, _new(below, dice)
    else:
        node[place] = _new(below, dice)


def _new(node: Any, dice: random.Random) -> Any:
    match dice.randrange(6):
        case 0:
            return dice.choice(RAW_NODES)
        case 1:
            deep = dice.choice((1, 10, 200, 3_000))
            return RawNode("[" * deep + serialized(node) + "]" * deep)
        case 2:
            deep = dice.choice((1, 10, 200, 3_000))
            return RawNode('{"a":' * deep + serialized(node) + "}" * deep)
        case 3:
            return [node] * dice.choice((2, 1_001))
        case _:
            new = dice.choice(ODD_VALUES)
            return ObjectMembers(new.items()) if isinstance(new, dict) else new


_KINDS: tuple[Mutation, ...] = (
    _of_bytes,
    _of_bytes,
    _of_tokens,
    _of_tokens,
    _of_lines,
    _of_nodes,
    _of_nodes,
    _of_nodes,
)
