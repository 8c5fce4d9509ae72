"""The nesting levels of JSON text equal those that a decoder finds."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from twin.wire.codec import DECODE_ERRORS
from twin.wire.json_nesting import JSON_LEVELS_MAX, JsonNestingError, check_json_nesting, json_levels

texts = st.text(st.sampled_from('[]{}",:\\a1 é'), max_size=20)
documents = st.recursive(
    st.none() | st.integers() | texts,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(texts, below, max_size=4),
    max_leaves=30,
)
fragments = st.lists(
    st.sampled_from([b"[", b"{", b"]", b"}", b'"', b"\\", b"\\\\", b'\\"', b"a", b":", b",", b"\n", b"\xff"]),
    max_size=60,
).map(b"".join)


def slowly(text: bytes) -> int:
    """Return the levels, byte by byte."""
    deepest = level = 0
    in_string = escaped = False
    for byte in text:
        one = bytes((byte,))
        if escaped:
            escaped = False
        elif in_string:
            escaped, in_string = one == b"\\", one != b'"'
        elif one == b'"':
            in_string = True
        elif one in (b"[", b"{"):
            level += 1
            deepest = max(deepest, level)
        elif one in (b"]", b"}"):
            level -= 1
    return deepest


def levels_of(document: Any) -> int:
    match document:
        case dict():
            return 1 + max(map(levels_of, document.values()), default=0)
        case list():
            return 1 + max(map(levels_of, document), default=0)
        case _:
            return 0


@given(documents, st.booleans())
def test_a_document_has_as_many_levels_as_its_text(document: Any, ascii_only: bool) -> None:
    assert json_levels(json.dumps(document, ensure_ascii=ascii_only).encode()) == levels_of(document)


@given(fragments)
@example(b'"\\')
@example(b"]]][")
def test_any_bytes_have_the_levels_found_byte_by_byte(text: bytes) -> None:
    assert json_levels(text) == slowly(text)


@given(st.binary(max_size=200) | fragments, st.integers(0, JSON_LEVELS_MAX + 5), texts)
def test_valid_json_is_refused_only_beyond_the_limit(tail: bytes, depth: int, key: str) -> None:
    text = b"".join([b'{"a":' + json.dumps([key]).encode() + b',"b":['] * depth) + tail
    try:
        document = msgspec.json.decode(text + b"]}" * depth)
    except DECODE_ERRORS:
        return
    if levels_of(document) <= JSON_LEVELS_MAX:
        check_json_nesting(text)
    else:
        with pytest.raises(
            JsonNestingError, match=f"{levels_of(document)} levels deep, at most {JSON_LEVELS_MAX}"
        ):
            check_json_nesting(text)
