"""Common payloads decode by their type to the same readings as by the general JSON path."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from ingest.decoders import native, senml
from ingest.decoding import Reading
from tests.support.payloads.device_payloads import CONTEXT

NUMBERS = [
    "0", "-0", "-0.0", "1", "20.5", "-7.25e-3", "1E3", "1e400", "-1e400", "4e-400", "9007199254740993",
    "18446744073709551616", "9" * 400, "0.1234567890123456789", "1e308", "123456789012345678901234567890.5",
]  # fmt: skip
OTHERS = ["true", "null", '"12.5"', '"x"', "[]", "[1,2]", "{}", '{"a":1}', "NaN", "01", "+1", ""]
TIMES = [
    "null", "1792888200", "1792888200123", "1792888200.25", "0", "-5", "1e400", "true", '""', '"now"',
    '"2026-11-26T21:57:26Z"', '"2026-11-26T21:57:26.957Z"', '"2026-11-26T21:57:26.957121Z"',
    '"2026-11-26T21:57:60Z"', '"2026-11-26t21:57:26z"', '"2026-11-26T21:57:26+01:00"',
    '"2026-11-26T21:57:26"', '"0001-01-01T00:00:00+05:00"', '"9999-12-31T23:59:59.999999Z"',
]  # fmt: skip
NAMES = [
    "pm2_5",
    "no2",
    "",
    "é",
    "a.b",
    "x:y",
    "urn:dev:x:",
    "/",
    "-",
    "a" * 200,
    "\\u0000",
    "\\ud800",
    "\\n",
]

numbers = st.sampled_from(NUMBERS) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
values = st.one_of(numbers, numbers, numbers, st.sampled_from(OTHERS))
names = st.sampled_from(NAMES).map('"{}"'.format)


def members(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{name}:{value}" for name, value in pairs) + "}"


observed = st.lists(st.tuples(names, values), max_size=4).map(members)
MEMBERS = st.one_of(
    st.tuples(st.just('"values"'), observed | st.sampled_from(OTHERS)),
    st.tuples(st.just('"time"'), st.sampled_from(TIMES)),
    st.tuples(st.just('"id"'), values),
)
native_messages = st.tuples(
    st.tuples(st.just('"values"'), observed), st.tuples(st.just('"time"'), st.sampled_from(TIMES))
).flatmap(lambda usual: st.lists(MEMBERS, max_size=1).map(lambda more: members([*usual, *more])))

# Mostly right, so that what one record leaves to the next ones is seen.
VALID_NAMES = st.sampled_from(['"a"', '"b"', '"x:"', '"y/a"', '""'])
VALID_TIMES = st.sampled_from(["0", "-5", "60.5", "1792888200", "1792888200.25", "268435456"])
VALID_UNITS = st.sampled_from(['"Cel"', '"%RH"', '""'])
VALID_LABELS = st.one_of(
    st.tuples(st.sampled_from(['"bn"', '"n"']), VALID_NAMES),
    st.tuples(st.sampled_from(['"bt"', '"t"']), VALID_TIMES),
    st.tuples(st.sampled_from(['"bu"', '"u"']), VALID_UNITS),
)
LABELS = st.one_of(
    st.tuples(st.sampled_from(['"bn"', '"n"']), names),
    st.tuples(st.sampled_from(['"bt"', '"t"']), st.sampled_from(TIMES) | numbers),
    st.tuples(st.sampled_from(['"bu"', '"u"']), st.sampled_from(["1", "null"])),
    st.tuples(
        st.sampled_from(['"bv"', '"v"', '"vs"', '"vb"', '"s"', '"bver"', '"ut"', '"x"', '"x_"']), values
    ),
)


def records(labels: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[str]:
    usual = st.tuples(st.tuples(st.just('"n"'), VALID_NAMES), st.tuples(st.just('"v"'), numbers))
    return st.tuples(usual, st.lists(labels, max_size=3)).map(lambda drawn: members([*drawn[0], *drawn[1]]))


valid = st.lists(records(VALID_LABELS), max_size=4)
packs = st.tuples(valid, st.lists(records(LABELS), max_size=1)).map(
    lambda found: "[" + ",".join([*found[0], *found[1]]) + "]"
)


def same(plain: list[Reading] | None, general: list[Reading]) -> bool:
    """Compare as text: 0.0 and -0.0 differ, and a time that is no whole number."""
    return plain is None or repr(plain) == repr(general)


@given(native_messages, st.binary(max_size=2), st.integers(0, 400))
def test_a_plain_message_decodes_like_general_json(text: str, odd: bytes, at: int) -> None:
    for payload in (text.encode(), text.encode()[:at] + odd + text.encode()[at + 1 :]):
        plain = native._plain_readings(payload)
        if plain is not None:
            assert same(plain, native._readings(payload, CONTEXT))


@example('[{"bn":"x:","n":"a","v":1},{"bn":"","n":"b","v":2}]', b"", 400)
@given(packs, st.binary(max_size=2), st.integers(0, 400))
def test_a_plain_pack_decodes_like_general_json(text: str, odd: bytes, at: int) -> None:
    for payload in (text.encode(), text.encode()[:at] + odd + text.encode()[at + 1 :]):
        plain = senml.plain_readings(payload, CONTEXT)
        if plain is not None:
            assert same(plain, native._readings(payload, CONTEXT))


def test_common_payloads_are_plain() -> None:
    assert native._plain_readings(b'{"time":"2026-11-26T21:57:26Z","values":{"pm2_5":8,"no2":20.5}}')
    assert native._plain_readings(b'{"values":{"pm2_5":8}}')
    pack = (
        b'[{"bn":"urn:dev:x:","bt":1795731813.25,"bu":"Cel","n":"t","v":8},{"n":"u","u":"%RH","t":-5,"v":1}]'
    )
    assert senml.plain_readings(pack, CONTEXT)
