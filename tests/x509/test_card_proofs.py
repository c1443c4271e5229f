"""What a card signs when it makes a key pair, as the CoolKey applet writes it."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from hypothesis import given
from hypothesis import strategies as st

from tests.x509.issuing import PrivateKey, key_of
from tmsd.x509.card_proofs import MAX_KEY_BLOB, MAX_SIGNATURE, proven_key
from tmsd.x509.public_keys import KeyKind
from tmsd.x509.refusal import CertificateRefused, Rule

CHALLENGE = bytes(range(16))
KINDS = [kind for kind in KeyKind if kind is not KeyKind.ED25519]


def part(content: bytes) -> bytes:
    return len(content).to_bytes(2) + content


def rsa_blob(modulus: int, exponent: int, bits: int | None = None) -> bytes:
    size = bits or modulus.bit_length()
    numbers = [number.to_bytes(-(-number.bit_length() // 8)) for number in (modulus, exponent)]
    return b"\x00\x01" + size.to_bytes(2) + b"".join(map(part, numbers))


def ec_blob(bits: int, point: bytes) -> bytes:
    return b"\x00\x0a" + bits.to_bytes(2) + part(point)


def blob_of(key: PrivateKey) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        of_rsa = key.public_key().public_numbers()
        return rsa_blob(of_rsa.n, of_rsa.e)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    of_curve = key.public_key().public_numbers()
    size = -(-key.key_size // 8)
    return ec_blob(key.key_size, b"\x04" + of_curve.x.to_bytes(size) + of_curve.y.to_bytes(size))


def signed(key: PrivateKey, data: bytes, by: HashAlgorithm | None = None) -> bytes:
    digest = by or SHA1()  # noqa: S303  the applet's
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), digest)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.sign(data, ec.ECDSA(digest))


def rule_against(blob: bytes, signature: bytes, challenge: bytes = CHALLENGE) -> Rule:
    with pytest.raises(CertificateRefused) as caught:
        proven_key(blob, challenge, signature)
    return caught.value.rule


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_signed_itself_and_the_challenge_is_proven(kind: KeyKind) -> None:
    key = key_of(kind)
    blob = blob_of(key)
    signature = signed(key, blob + CHALLENGE)
    assert proven_key(blob, CHALLENGE, signature) == key.public_key()
    assert len(blob) <= MAX_KEY_BLOB
    assert len(signature) <= MAX_SIGNATURE


@pytest.mark.parametrize("kind", [KeyKind.RSA_2048, KeyKind.P_256])
def test_a_signature_that_is_another_is_no_proof(kind: KeyKind) -> None:
    key, other = key_of(kind), key_of(kind, "somebody else")
    blob = blob_of(key)
    for signature in (
        signed(key, blob + bytes(16)),
        signed(key, CHALLENGE),
        signed(key, blob_of(other) + CHALLENGE),
        signed(other, blob + CHALLENGE),
        signed(key, blob + CHALLENGE, SHA256()),
        b"\x00",
    ):
        assert rule_against(blob, signature) is Rule.CARD_PROOF_WRONG


P_256_BLOB = blob_of(key_of(KeyKind.P_256))
RSA_BLOB = blob_of(key_of(KeyKind.RSA_2048))


MALFORMED = (
    b"",
    b"\x00",
    P_256_BLOB[:-1],
    P_256_BLOB + b"\x00",
    RSA_BLOB[:-1],
    RSA_BLOB + part(b""),
    b"\x01" + RSA_BLOB[1:],
    b"\x00\x02" + RSA_BLOB[2:],
    b"\x00\x0a" + RSA_BLOB[2:],
    b"\x00\x01" + P_256_BLOB[2:],
    rsa_blob(1 << 2047 | 1, 65537, bits=2047),
    rsa_blob(1 << 2047 | 1, 2),
    ec_blob(255, P_256_BLOB[6:]),
    ec_blob(384, P_256_BLOB[6:]),
    ec_blob(256, b"\x00"),
    ec_blob(256, b"\x02" + P_256_BLOB[7:39]),
    ec_blob(256, b"\x04" + bytes(64)),
)


@pytest.mark.parametrize("blob", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_key_blob_is_refused(blob: bytes) -> None:
    assert rule_against(blob, bytes(64)) is Rule.CARD_KEY_MALFORMED


def test_a_key_that_no_profile_allows_is_refused_before_its_signature() -> None:
    assert rule_against(rsa_blob(1 << 1023 | 1, 65537), b"\x00") is Rule.KEY_KIND_NOT_ALLOWED


@given(st.binary(max_size=MAX_KEY_BLOB), st.binary(max_size=MAX_SIGNATURE))
def test_any_bytes_are_refused(blob: bytes, signature: bytes) -> None:
    with pytest.raises(CertificateRefused):
        proven_key(blob, CHALLENGE, signature)


@given(st.integers(0, len(RSA_BLOB) - 1), st.integers(1, 255))
def test_a_key_blob_with_a_changed_byte_is_refused(place: int, change: int) -> None:
    signature = signed(key_of(KeyKind.RSA_2048), RSA_BLOB + CHALLENGE)
    changed = bytearray(RSA_BLOB)
    changed[place] ^= change
    with pytest.raises(CertificateRefused):
        proven_key(bytes(changed), CHALLENGE, signature)
