"""JSON of others is nested so deep and no deeper."""

from __future__ import annotations

import pytest

from twin.wire.json_nesting import LEVELS_MAX, NestingError, check_levels


@pytest.mark.parametrize(("opened", "closed"), [(b"[", b"]"), (b'{"[":', b"}"), (b'["\\"[",', b"]")])
def test_the_bound_is_exact(opened: bytes, closed: bytes) -> None:
    check_levels(opened * LEVELS_MAX + b"1" + closed * LEVELS_MAX)
    with pytest.raises(NestingError, match=f"nested {LEVELS_MAX + 1} levels deep, at most {LEVELS_MAX} are"):
        check_levels(opened * (LEVELS_MAX + 1) + b"1" + closed * (LEVELS_MAX + 1))


def test_many_brackets_that_are_not_within_each_other_are_fine() -> None:
    check_levels(b"[" + b'[],{"a":{}},' * 1_000 + b"1]")
    check_levels(b'{"a":"' + b"[" * 1_000 + b'"}')
