"""Pseudonyms of identifiers."""

from __future__ import annotations

import re

import pytest

from ingest.pipeline.pseudonym import Pseudonymiser

KEY = b"a key of enough bytes"


def test_one_identifier_has_one_pseudonym_under_one_key() -> None:
    assert Pseudonymiser(KEY)("4530") == Pseudonymiser(KEY)("4530")
    assert Pseudonymiser(KEY)("4530") != Pseudonymiser(KEY)("4531")
    assert Pseudonymiser(KEY)("4530") != Pseudonymiser(b"another key of the city")("4530")


@pytest.mark.parametrize("identifier", ["", "é", "\ud800", "x" * 10_000])
def test_a_pseudonym_is_sixteen_lower_case_letters_and_digits(identifier: str) -> None:
    assert re.fullmatch("[a-z2-7]{16}", Pseudonymiser(KEY)(identifier))


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 16"):
        Pseudonymiser(b"short")
