"""Targets for records of the log, live cursors, stream offsets and signed links.

Valid records are made from their types, so that an added codec becomes a target by itself.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
from msgspec import inspect as types

from alerting.delivery.acknowledge_links import AcknowledgeLink, LinkRefusal, sign_link, verify_link
from api.live.cursor import Cursor, CursorError, decode_cursor, encode_cursor
from api.streams.live_log import LogOffset, OffsetError, decode_offset, encode_offset
from runtime.kafka import topics
from storage.historian.log_batch import LogBatch, LogRecord
from tests.fuzz.engine import FuzzTarget, error_text
from tests.support.payloads.device_payloads import RECEIVED
from twin.alarms import messages as alarm_messages
from twin.alarms.rules.rule import Rule, decode_rule, encode_rule
from twin.errors import MessageError
from twin.state.sketch import decode_sketches
from twin.wire import duty_messages, messages
from twin.wire.codec import LAYOUT_VERSION, Codec

_STORED: dict[str, Codec[Any]] = {
    topics.OBSERVATIONS: messages.OBSERVATIONS,
    topics.UPDATES: messages.UPDATES,
    topics.AGGREGATES: messages.AGGREGATES,
    topics.ALARMS: alarm_messages.ALARMS,
    topics.NOTIFICATIONS: duty_messages.NOTIFICATIONS,
    topics.QUARANTINE: messages.QUARANTINE,
}
_WORDS = (
    b"\xc0", b"\xc1", b"\xc2", b"\xd9\xff", b"\xdb\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff", b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", b"\xd3\x80\x00\x00\x00\x00\x00\x00\x00",
    b"\xcb\x7f\xf0\x00\x00\x00\x00\x00\x00", b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00", b"\xa1\xff",
    b"\x91" * 2_000, b"\x81" * 2_000,
    b"\xc7\xff\xff", b"\xd7\xff", b"\xa0", b"\x90", b"\x00", b"\x02", b"\xff",
)  # fmt: skip
EXAMPLES = 6

_OFFSET = encode_offset(LogOffset("log", (1, 2))).encode()


def log_targets() -> list[FuzzTarget]:
    """Return a target for each codec, each stored topic, cursors, offsets and links."""
    codecs = {
        f"{group}-{name.lower()}": member
        for group, module in (("twin", messages), ("alarms", alarm_messages), ("duty", duty_messages))
        for name, member in vars(module).items()
        if isinstance(member, Codec)
    }
    made = [
        FuzzTarget(
            name=f"record-{name}",
            run=partial(_decode, codec),
            corpus=_records(codec._type),
            dictionary=_WORDS,
        )
        for name, codec in codecs.items()
    ]
    made += [
        FuzzTarget(
            name=f"stored-{topic}",
            run=partial(_store, topic),
            corpus=_records(codec._type),
            dictionary=_WORDS,
        )
        for topic, codec in _STORED.items()
    ]
    headers = _records(messages.MessageHeaders)
    return [
        *made,
        FuzzTarget(
            name="record-headers",
            run=partial(_read, messages.decode_headers),
            corpus=headers,
            dictionary=_WORDS,
        ),
        FuzzTarget(
            name="record-payloads",
            run=partial(_read, messages.decode_payloads),
            corpus=(b"\x92\xc4\x01a\xc4\x00",),
        ),
        FuzzTarget(
            name="record-sketches",
            run=partial(_read, partial(decode_sketches, count=2)),
            corpus=headers,
            dictionary=_WORDS,
        ),
        FuzzTarget(name="record-rule", run=partial(_read, decode_rule), corpus=_rules()),
        FuzzTarget(name="stream-offset", run=_offset, corpus=(_OFFSET,)),
        FuzzTarget(
            name="live-cursor",
            run=_cursor,
            corpus=(encode_cursor(Cursor("log", ((1, 2),), RECEIVED)).encode(),),
        ),
        FuzzTarget(
            name="link",
            run=_verify,
            corpus=(sign_link(b"key", AcknowledgeLink("a~b~1", "anna", RECEIVED)).encode(),),
        ),
    ]


def _records(kind: type[Any]) -> tuple[bytes, ...]:
    dice = random.Random(kind.__name__)
    return tuple(msgspec.msgpack.encode(example(types.type_info(kind), dice)) for _ in range(EXAMPLES))


def _rules() -> tuple[bytes, ...]:
    dice = random.Random("rules")
    found = [example(types.type_info(Rule), dice) for _ in range(EXAMPLES)]
    return tuple(encode_rule(msgspec.convert(one, Rule)) for one in found)


def example(info: types.Type, dice: random.Random) -> Any:  # noqa: PLR0911 - one for each kind of type
    """Return an example value of a type, as the encoder expects it."""
    match info:
        case types.StructType(array_like=True, fields=fields):
            return [_field(one.name, one.type, dice) for one in fields]
        case types.StructType(fields=fields, tag=tag, tag_field=tag_field):
            tagged = {tag_field: tag} if tag_field else {}
            return tagged | {one.encode_name: _field(one.name, one.type, dice) for one in fields}
        case types.NamedTupleType(fields=fields):
            return [_field(one.name, one.type, dice) for one in fields]
        case types.DataclassType(fields=fields):
            return {one.encode_name: _field(one.name, one.type, dice) for one in fields}
        case types.TupleType(item_types=items):
            return [example(one, dice) for one in items]
        case (
            types.VarTupleType(item_type=item)
            | types.ListType(item_type=item)
            | types.SetType(item_type=item)
        ):
            return [example(item, dice) for _ in range(dice.choice((0, 1, 2)))]
        case types.DictType(key_type=key, value_type=value):
            return {example(key, dice): example(value, dice)}
        case types.UnionType(types=some):
            return example(dice.choice(some), dice)
        case types.EnumType(cls=cls):
            chosen: enum.Enum = dice.choice(list(cls))
            return chosen.value
        case types.LiteralType(values=values):
            return dice.choice(values)
        case _:
            return _scalar(info, dice)


def _field(name: str, info: types.Type, dice: random.Random) -> Any:
    return LAYOUT_VERSION if name == "version" else RECEIVED if name.endswith("time") else example(info, dice)


def _scalar(info: types.Type, dice: random.Random) -> Any:
    match info:
        case types.IntType():
            return dice.choice((0, 1, 7, 60_000_000))
        case types.FloatType():
            return dice.choice((0.0, 11.25, -1.5))
        case types.StrType():
            return dice.choice(("alkmaar.overdie", "pm2_5", ""))
        case types.BytesType():
            return b"\x00" * 32
        case types.BoolType():
            return dice.random() < 0.5
        case types.NoneType():
            return None
        case _:
            raise NotImplementedError(f"no example of {info}")


def _decode(codec: Codec[Any], data: bytes) -> str:
    """Decode a record: it survives encoding and decoding, or a MessageError is raised."""
    try:
        record = codec.decode(data)
    except MessageError as error:
        return error_text(error)
    assert _in_order(codec.decode(codec.encode(record))) == _in_order(record)
    return "read"


def _in_order(value: Any) -> str:
    """Return a value as text that NaN does not make unequal to itself, with its sets in one order."""
    match value:
        case msgspec.Struct():
            return f"{type(value).__name__}({_in_order(list(msgspec.structs.astuple(value)))})"
        case set() | frozenset():
            return f"{{{', '.join(sorted(map(_in_order, value)))}}}"
        case dict():
            return _in_order(list(value.items()))
        case list() | tuple():
            return f"[{', '.join(map(_in_order, value))}]"
        case _:
            return repr(value)


def _read(decode: Callable[[bytes], Any], data: bytes) -> str:
    try:
        decode(data)
    except MessageError as error:
        return error_text(error)
    return "read"


def _store(topic: str, data: bytes) -> str:
    """Add a record to the historian's batch: it raises nothing and quarantines unreadable records."""
    batch = LogBatch("log-1")
    batch.add(LogRecord(topic, 0, 7, 1_795_435_200_000, data))
    assert batch.next_offsets[topic, 0] == 8
    refused = (*batch.quarantined.values(), *batch.update_buffer.unreadable.values())
    details = [one.detail for one in refused if one.topic.startswith("log:")]
    return details[0] if details else "stored"


def _cursor(data: bytes) -> str:
    try:
        cursor = decode_cursor(data.decode("latin-1"))
    except CursorError as error:
        return str(error)
    assert decode_cursor(encode_cursor(cursor)) == cursor
    return "read"


def _offset(data: bytes) -> str:
    """Read an offset: each has one spelling."""
    text = data.decode("latin-1")
    try:
        offset = decode_offset(text)
    except OffsetError as error:
        return str(error)
    assert encode_offset(offset) == text
    return "read"


def _verify(data: bytes) -> str:
    """Verify a link: only a link with our signature is valid, and it has one spelling."""
    token = data.decode("latin-1")
    found = verify_link(b"key", token, RECEIVED)
    if isinstance(found, LinkRefusal):
        return found.reason
    assert sign_link(b"key", found) == token
    return "good"
