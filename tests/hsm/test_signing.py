"""Keys in the token sign all that a CA signs, and do nothing else."""

import copy
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.padding import (
    MGF1,
    PSS,
    AsymmetricPadding,
    PKCS1v15,
)
from cryptography.hazmat.primitives.asymmetric.utils import NoDigestInfo, Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hsm.errors import TokenLost, UseRefused
from hsm.key_pairs import KeyPair, destroy_key_pair, generate_key_pair
from hsm.keys import KeyReference
from hsm.module import TokenAddress
from hsm.public_keys import RSA_BITS, KeyPairAlgorithm
from hsm.signing import EcSigningKey, RsaSigningKey, SigningKey, signing_key
from hsm.token import Token
from tests.hsm.authority import Authority, Scheme, openssl, written
from tests.hsm.conftest import PairOf
from tests.softhsm.tokens import without_mechanisms

# One process makes the keys once.
pytestmark = pytest.mark.xdist_group("key pairs")

HASHES = (SHA256(), SHA384(), SHA512())
PKCS1 = [Scheme(algorithm, PKCS1v15()) for algorithm in HASHES]
PROBABILISTIC = [Scheme(algorithm, PSS(MGF1(algorithm), PSS.DIGEST_LENGTH)) for algorithm in HASHES]


def schemes(algorithm: KeyPairAlgorithm) -> list[Scheme]:
    if algorithm in RSA_BITS:
        return PKCS1 + PROBABILISTIC
    if algorithm is KeyPairAlgorithm.ED25519:
        return [Scheme(None)]
    return [Scheme(each) for each in HASHES]


EVERY_WAY = [
    pytest.param(algorithm, scheme, id=f"{algorithm}-{scheme}")
    for algorithm in KeyPairAlgorithm
    for scheme in schemes(algorithm)
]
each_algorithm = pytest.mark.parametrize("algorithm", KeyPairAlgorithm)
every_way = pytest.mark.parametrize(("algorithm", "scheme"), EVERY_WAY)


@pytest.fixture
def pair(pair_of: PairOf, algorithm: KeyPairAlgorithm) -> KeyPair:
    return pair_of(algorithm)


@pytest.fixture
def authority(pair: KeyPair, scheme: Scheme) -> Authority:
    return Authority(signing_key(pair), scheme)


@every_way
def test_a_certificate_is_verified_by_cryptography_and_openssl(
    authority: Authority, tmp_path: Path
) -> None:
    leaf = authority.issue()

    leaf.verify_directly_issued_by(authority.certificate)
    authority.verify(leaf.signature, leaf.tbs_certificate_bytes)
    root = written(tmp_path, authority.certificate)
    said = openssl("verify", "-x509_strict", "-CAfile", root, written(tmp_path, leaf))
    assert said.endswith(": OK\n")


@every_way
def test_a_request_is_verified_by_cryptography_and_openssl(
    authority: Authority, tmp_path: Path
) -> None:
    request = authority.request()

    assert request.is_signature_valid
    authority.verify(request.signature, request.tbs_certrequest_bytes)
    assert "verify OK" in openssl("req", "-verify", "-noout", "-in", written(tmp_path, request))


@every_way
def test_a_crl_is_verified_by_cryptography_and_openssl(
    authority: Authority, tmp_path: Path
) -> None:
    crl = authority.crl()

    authority.verify(crl.signature, crl.tbs_certlist_bytes)
    root = written(tmp_path, authority.certificate)
    said = openssl("crl", "-noout", "-CAfile", root, "-in", written(tmp_path, crl))
    assert "verify OK" in said


# The builder of OCSP responses has no way to ask for PSS.
@pytest.mark.parametrize(
    ("algorithm", "scheme"), [way for way in EVERY_WAY if way.values[1] not in PROBABILISTIC]
)
def test_an_ocsp_response_is_verified_by_cryptography_and_openssl(
    authority: Authority, tmp_path: Path
) -> None:
    leaf = authority.issue()

    response = authority.ocsp_response(leaf)

    authority.verify(response.signature, response.tbs_response_bytes)
    root, certificate = written(tmp_path, authority.certificate), written(tmp_path, leaf)
    asked: tuple[str | Path, ...] = ("-sha256", "-issuer", root, "-cert", certificate)
    said = openssl("ocsp", "-respin", written(tmp_path, response), "-CAfile", root, *asked)
    assert "Response verify OK" in said
    assert f"{certificate}: good" in said


@each_algorithm
def test_a_signature_of_other_data_is_another(pair: KeyPair) -> None:
    authority = Authority(signing_key(pair), schemes(pair.algorithm)[0])
    request, other = authority.request(), authority.crl()

    with pytest.raises(InvalidSignature):
        authority.verify(request.signature, other.tbs_certlist_bytes)


@each_algorithm
def test_a_key_looks_like_one_of_cryptography_s(pair: KeyPair) -> None:
    key = signing_key(pair)

    assert key.public_key() == pair.public_key
    assert copy.copy(key) is copy.deepcopy(key) is key
    assert repr(key) == f"<private half of {pair.reference}>"
    if isinstance(key, RsaSigningKey):
        assert key.key_size == RSA_BITS[pair.algorithm]
    elif isinstance(key, EcSigningKey):
        assert (key.curve.key_size, f"p{key.key_size}") == (key.key_size, pair.algorithm)


@each_algorithm
@pytest.mark.parametrize(
    "take",
    [
        lambda key: key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        lambda key: key.private_bytes_raw(),
        lambda key: key.private_numbers(),
        pickle.dumps,
    ],
    ids=["private_bytes", "private_bytes_raw", "private_numbers", "pickle"],
)
def test_its_value_is_not_to_be_had(pair: KeyPair, take: Callable[[SigningKey], object]) -> None:
    with pytest.raises(UseRefused, match=r"its private half does not leave the token"):
        take(signing_key(pair))


@pytest.mark.parametrize("algorithm", [KeyPairAlgorithm.RSA2048])
def test_an_rsa_key_does_not_decrypt(pair: KeyPair) -> None:
    key = signing_key(pair)
    assert isinstance(key, RsaSigningKey)
    ciphertext = key.public_key().encrypt(b"message", PKCS1v15())

    with pytest.raises(UseRefused, match="it signs, and does nothing else"):
        key.decrypt(ciphertext, PKCS1v15())


@pytest.mark.parametrize("algorithm", [KeyPairAlgorithm.P256])
def test_an_elliptic_curve_key_agrees_on_no_keys(pair: KeyPair) -> None:
    key = signing_key(pair)
    assert isinstance(key, EcSigningKey)

    with pytest.raises(UseRefused, match="it signs, and does nothing else"):
        key.exchange(ec.ECDH(), ec.generate_private_key(ec.SECP256R1()).public_key())


@pytest.mark.parametrize("algorithm", [KeyPairAlgorithm.RSA2048])
@pytest.mark.parametrize(
    ("padded", "hashed", "refusal"),
    [
        (PKCS1v15(), hashes.SHA1(), "with sha256, sha384, sha512, and not with sha1"),  # noqa: S303
        (PKCS1v15(), Prehashed(SHA256()), "and not with Prehashed"),
        (PKCS1v15(), NoDigestInfo(), "and not with NoDigestInfo"),
        (PSS(MGF1(SHA256()), PSS.MAX_LENGTH), SHA256(), "and a salt by the signature's hash"),
        (PSS(MGF1(SHA256()), 20), SHA256(), "and a salt by the signature's hash"),
        (PSS(MGF1(SHA384()), 32), SHA256(), "PSS with MGF1 and a salt by the signature's hash"),
    ],
    ids=["SHA-1", "a digest", "raw data", "the longest salt", "another salt", "another mask"],
)
def test_an_rsa_key_signs_in_these_ways_alone(
    pair: KeyPair,
    padded: AsymmetricPadding,
    hashed: Prehashed | hashes.HashAlgorithm | NoDigestInfo,
    refusal: str,
) -> None:
    key = signing_key(pair)
    assert isinstance(key, RsaSigningKey)

    with pytest.raises(UseRefused, match=re.escape(refusal)):
        key.sign(bytes(32), padded, hashed)


@pytest.mark.parametrize("algorithm", [KeyPairAlgorithm.RSA2048])
def test_a_salt_as_long_as_the_hash_may_be_given_as_a_number(pair: KeyPair) -> None:
    key = signing_key(pair)
    assert isinstance(key, RsaSigningKey)

    signature = key.sign(b"data", PSS(MGF1(SHA384()), 48), SHA384())

    exactly = PSS(MGF1(SHA384()), PSS.DIGEST_LENGTH)
    key.public_key().verify(signature, b"data", exactly, SHA384())


@pytest.mark.parametrize("algorithm", [KeyPairAlgorithm.P256])
@pytest.mark.parametrize(
    ("asked", "refusal"),
    [
        (ec.ECDSA(hashes.SHA1()), "and not with sha1"),  # noqa: S303
        (ec.ECDSA(Prehashed(SHA256())), "and not with Prehashed"),
        (ec.ECDSA(SHA256(), deterministic_signing=True), "its nonces are the token's, and random"),
    ],
    ids=["SHA-1", "a digest", "deterministic nonces"],
)
def test_an_elliptic_curve_key_signs_in_these_ways_alone(
    pair: KeyPair, asked: ec.ECDSA, refusal: str
) -> None:
    key = signing_key(pair)
    assert isinstance(key, EcSigningKey)

    with pytest.raises(UseRefused, match=refusal):
        key.sign(bytes(32), asked)


SIGNED: dict[str, Callable[[Authority, x509.Certificate], object]] = {
    "certificate": lambda authority, _: authority.issue(),
    "request": lambda authority, _: authority.request(),
    "CRL": lambda authority, _: authority.crl(),
    "OCSP response": Authority.ocsp_response,
}


@pytest.mark.parametrize("kind", SIGNED)
@pytest.mark.parametrize("algorithm", ["rsa2048", "p256", "ed25519"])
def test_a_key_that_is_gone_is_a_lost_token_and_no_error_of_a_builder(
    hsm_token: Token, algorithm: str, kind: str
) -> None:
    reference = KeyReference("a key of test_signing", 1)
    pair = generate_key_pair(hsm_token, reference, KeyPairAlgorithm(algorithm))
    authority = Authority(signing_key(pair), schemes(pair.algorithm)[0])
    leaf = authority.issue()
    destroy_key_pair(hsm_token, reference)

    with pytest.raises(TokenLost, match=r"^(Object|Key)HandleInvalid in _sign$"):
        SIGNED[kind](authority, leaf)


@each_algorithm
def test_a_key_of_a_lost_login_is_not_used_for_its_handle_may_be_another_s(
    pair: KeyPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(signing_key(pair), schemes(pair.algorithm)[0])
    monkeypatch.setattr(pair.token, "abandoned", True)

    with pytest.raises(TokenLost, match="was found by a login that is lost"):
        authority.request()


def test_what_a_token_lacks_is_a_mechanism_that_it_lacks(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    lacking = ("CKM_RSA_PKCS_PSS", "CKM_ECDSA", "CKM_EDDSA")
    configuration = without_mechanisms(fresh_token, tmp_path, *lacking)

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.hsm.making_signatures",
            fresh_token.module,
            fresh_token.label,
        ],
        cwd=Path(__file__).parents[2],
        env={"SOFTHSM2_CONF": str(configuration)},
        capture_output=True,
        text=True,
        check=True,
    )

    refusal = "MechanismUnavailable: key '{}' version 1: the token does not sign with {}"
    assert json.loads(done.stdout) == {
        "PKCS#1 v1.5": "no error",
        "PSS": refusal.format("rsa2048", "CKM_RSA_PKCS_PSS"),
        "ECDSA": refusal.format("p256", "CKM_ECDSA"),
        "Ed25519": refusal.format("ed25519", "CKM_EDDSA"),
    }
