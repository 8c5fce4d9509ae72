"""The nesting limit of JSON from outside."""

from __future__ import annotations

import pytest

from twin.wire.json_nesting import JSON_LEVELS_MAX, JsonNestingError, check_json_nesting


@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"[":', b"}"), (b'["\\"[",', b"]")])
def test_the_nesting_limit_is_exact(opened: bytes, closed: bytes) -> None:
    check_json_nesting(opened * JSON_LEVELS_MAX + b"1" + closed * JSON_LEVELS_MAX)
    with pytest.raises(
        JsonNestingError, match=f"nested {JSON_LEVELS_MAX + 1} levels deep, at most {JSON_LEVELS_MAX} are"
    ):
        check_json_nesting(opened * (JSON_LEVELS_MAX + 1) + b"1" + closed * (JSON_LEVELS_MAX + 1))


def test_many_brackets_that_are_not_nested_are_accepted() -> None:
    check_json_nesting(b"[" + b'[],{"a":{}},' * 1_000 + b"1]")
    check_json_nesting(b'{"a":"' + b"[" * 1_000 + b'"}')
