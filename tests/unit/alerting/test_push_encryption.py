"""The body of a message to a browser is that of RFC 8291, appendix A, and never too long."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from alerting.delivery.push_encryption import PAYLOAD_BYTES_MAX, RECORD_BYTES_MAX, encrypt_push


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


RECEIVER = decoded("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4")
AUTH = decoded("BTBZMqHH6r4Tts7J_aSIgg")
SENDER = ec.derive_private_key(
    int.from_bytes(decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")), ec.SECP256R1()
)
BODY = decoded(
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK"
    "6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)


def test_the_example_of_the_standard_has_its_bytes() -> None:
    salt = decoded("DGv6ra1nlYgDCS1FRnbzlw")
    text = b"When I grow up, I want to be a watermelon"
    assert encrypt_push(text, RECEIVER, AUTH, sender=SENDER, salt=salt) == BODY


def test_a_body_has_at_most_the_bytes_that_push_services_take() -> None:
    assert len(encrypt_push(b"x" * PAYLOAD_BYTES_MAX, RECEIVER, AUTH)) == RECORD_BYTES_MAX == 4096
    with pytest.raises(ValueError, match="3994 bytes, expected at most 3993"):
        encrypt_push(b"x" * (PAYLOAD_BYTES_MAX + 1), RECEIVER, AUTH)


def test_two_messages_have_neither_key_nor_salt_in_common() -> None:
    one, other = (encrypt_push(b"x", RECEIVER, AUTH) for _ in range(2))
    assert one[:16] != other[:16]
    assert one[21:86] != other[21:86]


def test_a_point_that_is_not_on_the_curve_is_refused() -> None:
    with pytest.raises(ValueError, match=r"curve|point|key"):
        encrypt_push(b"x", b"\x04" + bytes(64), AUTH)
