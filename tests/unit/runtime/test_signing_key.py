"""Signing keys: files that only their owner reads, keys and signatures as the standards write them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from runtime.signing_key import PublicKey, SigningError, SigningKey, create_key_file, signer_of

CONTENT = b'{"alarm": "high-water~canal"}'


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    create_key_file(tmp_path / "key.pem")
    return SigningKey.from_pem((tmp_path / "key.pem").read_text())


def test_a_key_file_is_readable_by_its_owner_only_and_never_replaced(tmp_path: Path) -> None:
    public = create_key_file(tmp_path / "key.pem")
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    assert SigningKey.from_pem((tmp_path / "key.pem").read_text()).public.thumbprint == public.thumbprint
    with pytest.raises(SigningError, match="File exists"):
        create_key_file(tmp_path / "key.pem")


def test_the_thumbprint_is_that_of_rfc_8037() -> None:
    """Appendix A.3."""
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    assert PublicKey.from_jwk(jwk).thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_signature_is_valid_for_its_content_and_its_key_only(key: SigningKey, tmp_path: Path) -> None:
    signature = key.sign(CONTENT, "json")
    assert signer_of(signature).thumbprint == key.public.thumbprint
    key.public.verify(signature, CONTENT)
    with pytest.raises(SigningError, match="it was changed"):
        key.public.verify(signature, CONTENT + b" ")
    with pytest.raises(SigningError, match="expected"):
        create_key_file(tmp_path / "other.pem").verify(signature, CONTENT)


def test_the_same_content_has_the_same_signature(key: SigningKey) -> None:
    assert key.sign(CONTENT, "json") == key.sign(CONTENT, "json")


def test_every_changed_character_of_a_signature_is_refused(key: SigningKey) -> None:
    signature = key.sign(CONTENT, "json")
    for place, character in enumerate(signature):
        other = "B" if character == "A" else "A"
        changed = signature[:place] + other + signature[place + 1 :]
        with pytest.raises(SigningError):
            key.public.verify(changed, CONTENT)
    for changed in ("", ".", "..", signature + "=", signature + "A", signature.replace("..", ".e30.")):
        with pytest.raises(SigningError):
            key.public.verify(changed, CONTENT)


def test_another_kind_of_key_is_refused() -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1())
    pem = elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(SigningError, match="expected Ed25519"):
        SigningKey.from_pem(pem)
    with pytest.raises(SigningError, match="livetwin dossier key"):
        SigningKey.from_pem("not a key")
    with pytest.raises(SigningError, match="OKP"):
        PublicKey.from_jwk({"kty": "EC", "crv": "P-256"})
    with pytest.raises(SigningError, match="32"):
        PublicKey.from_jwk({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"})
