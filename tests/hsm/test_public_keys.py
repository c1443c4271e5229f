"""A public key is read from whatever form a token gives it in, or refused."""

import hashlib
import subprocess
from collections.abc import Iterator

import pytest
from asn1crypto.core import PrintableString
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute, ObjectClass

from hsm.errors import KeyUnsuitable
from hsm.key_pairs import KeyPair, destroy_key_pair, find_key_pair, generate_key_pair
from hsm.keys import KeyReference
from hsm.public_keys import KeyPairAlgorithm, spki_sha256
from hsm.token import Token
from tests.hsm.conftest import PairOf
from tests.hsm.half_pairs import half, replace_public_half

pytestmark = pytest.mark.xdist_group("key pairs")

NAME = KeyReference("a key pair of test_public_keys", 1)
ON_CURVES = [
    KeyPairAlgorithm.P256,
    KeyPairAlgorithm.P384,
    KeyPairAlgorithm.P521,
    KeyPairAlgorithm.ED25519,
]


@pytest.fixture
def pair(hsm_token: Token, algorithm: KeyPairAlgorithm) -> Iterator[KeyPair]:
    """A pair whose public half a test may replace."""
    yield generate_key_pair(hsm_token, NAME, algorithm)
    destroy_key_pair(hsm_token, NAME)


@pytest.mark.parametrize("algorithm", ON_CURVES)
def test_a_point_is_read_with_and_without_its_octet_string(hsm_token: Token, pair: KeyPair) -> None:
    wrapped = half(hsm_token, NAME, ObjectClass.PUBLIC_KEY)[Attribute.EC_POINT]
    header = 3 if pair.algorithm is KeyPairAlgorithm.P521 else 2
    replace_public_half(hsm_token, NAME, {Attribute.EC_POINT: wrapped[header:]})

    assert find_key_pair(hsm_token, NAME).public_key == pair.public_key


@pytest.mark.parametrize("algorithm", ON_CURVES[:3])
def test_a_compressed_point_is_read(hsm_token: Token, pair: KeyPair) -> None:
    compressed = pair.public_key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    assert len(compressed) < 128
    wrapped = b"\x04" + bytes([len(compressed)]) + compressed
    replace_public_half(hsm_token, NAME, {Attribute.EC_POINT: wrapped})

    assert find_key_pair(hsm_token, NAME).public_key == pair.public_key


@pytest.mark.parametrize("algorithm", ON_CURVES)
@pytest.mark.parametrize("length", [0, 1, 31, 64, 200])
def test_what_is_no_point_is_refused(hsm_token: Token, pair: KeyPair, length: int) -> None:
    replace_public_half(hsm_token, NAME, {Attribute.EC_POINT: b"\x04" * length})

    with pytest.raises(
        KeyUnsuitable, match=f"version 1: it holds no public key of {pair.algorithm}"
    ):
        find_key_pair(hsm_token, NAME)


@pytest.mark.parametrize("algorithm", [KeyPairAlgorithm.P256])
def test_a_point_beside_the_curve_is_refused(hsm_token: Token, pair: KeyPair) -> None:
    point = bytearray(half(hsm_token, NAME, ObjectClass.PUBLIC_KEY)[Attribute.EC_POINT])
    point[-1] ^= 1
    replace_public_half(hsm_token, NAME, {Attribute.EC_POINT: bytes(point)})

    with pytest.raises(KeyUnsuitable, match=f"it holds no public key of {pair.algorithm}"):
        find_key_pair(hsm_token, NAME)


@pytest.mark.parametrize("algorithm", [KeyPairAlgorithm.RSA2048])
def test_an_rsa_key_without_a_usable_exponent_is_refused(hsm_token: Token, pair: KeyPair) -> None:
    replace_public_half(hsm_token, NAME, {Attribute.PUBLIC_EXPONENT: b"\x02"})

    with pytest.raises(KeyUnsuitable, match=f"it holds no public key of {pair.algorithm}"):
        find_key_pair(hsm_token, NAME)


@pytest.mark.parametrize("algorithm", [KeyPairAlgorithm.ED25519])
def test_the_name_that_pkcs11_3_0_has_for_ed25519_is_known(hsm_token: Token, pair: KeyPair) -> None:
    name = PrintableString("edwards25519").dump()
    public = half(hsm_token, NAME, ObjectClass.PUBLIC_KEY)
    replace_public_half(hsm_token, NAME, {Attribute.EC_PARAMS: name})

    public = half(hsm_token, NAME, ObjectClass.PUBLIC_KEY)
    assert public[Attribute.EC_PARAMS] == name
    assert find_key_pair(hsm_token, NAME).public_key == pair.public_key


@pytest.mark.parametrize("algorithm", KeyPairAlgorithm)
def test_its_hash_is_what_openssl_makes_of_it(pair_of: PairOf, algorithm: KeyPairAlgorithm) -> None:
    public_key = pair_of(algorithm).public_key
    pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    der = subprocess.run(
        ["openssl", "pkey", "-pubin", "-outform", "DER"], input=pem, capture_output=True, check=True
    ).stdout

    assert spki_sha256(public_key) == hashlib.sha256(der).digest()
