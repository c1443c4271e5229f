"""How issuers sign, which follows from their keys."""

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.x509.oid import SignatureAlgorithmOID as Oid

from tests.x509.issuing import key_of, root_of
from tmsd.x509.public_keys import KeyKind

ECDSA = {
    KeyKind.P_256: Oid.ECDSA_WITH_SHA256,
    KeyKind.P_384: Oid.ECDSA_WITH_SHA384,
    KeyKind.P_521: Oid.ECDSA_WITH_SHA512,
}
RSA = (KeyKind.RSA_2048, KeyKind.RSA_3072, KeyKind.RSA_4096)


@pytest.mark.parametrize("kind", ECDSA)
def test_keys_on_curves_sign_with_the_hash_of_their_strength(kind: KeyKind) -> None:
    certificate = root_of(key_of(kind)).certificate
    assert certificate.signature_algorithm_oid == ECDSA[kind]


def test_ed25519_has_a_hash_of_its_own() -> None:
    certificate = root_of(key_of(KeyKind.ED25519)).certificate
    assert certificate.signature_algorithm_oid == Oid.ED25519
    assert certificate.signature_hash_algorithm is None


@pytest.mark.parametrize("kind", RSA)
def test_rsa_signs_with_pkcs_1_v1_5_unless_told(kind: KeyKind) -> None:
    certificate = root_of(key_of(kind)).certificate
    assert certificate.signature_algorithm_oid == Oid.RSA_WITH_SHA256


@pytest.mark.parametrize("kind", RSA)
def test_rsa_signs_with_pss_and_a_salt_as_long_as_the_hash(kind: KeyKind) -> None:
    certificate = root_of(key_of(kind), pss=True).certificate
    assert certificate.signature_algorithm_oid == Oid.RSASSA_PSS
    scheme, digest = (
        certificate.signature_algorithm_parameters,
        certificate.signature_hash_algorithm,
    )
    assert isinstance(scheme, padding.PSS)
    assert isinstance(digest, HashAlgorithm)
    assert scheme._salt_length == digest.digest_size == 32
    certificate.verify_directly_issued_by(certificate)
