"""What a certificate costs beside its signature: `python -m bench.signing`.

Keys of each algorithm are made in SoftHSM. Bare C_Sign through python-pkcs11 takes turns with
certificates by cryptography's builder, signed by the same key in the token; the figure is
certificates a second, divided by signatures a second of the same run. Seconds are of this
process's processor time, in which SoftHSM works as well: others on the machine change nothing.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from asn1crypto.algos import DigestInfo
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pkcs11 import Mechanism

from hsm.key_pairs import KeyPair, generate_key_pair
from hsm.keys import KeyReference
from hsm.public_keys import RSA_BITS, KeyPairAlgorithm
from hsm.secret import Secret
from hsm.signing import Ed25519SigningKey, SigningKey, signing_key
from hsm.token import open_token
from tests.softhsm.tokens import USER_PIN, SoftHsm

_ROUNDS = 4
_SECONDS = 0.5

_NOW = datetime.now(UTC).replace(microsecond=0)
_HOLDER = ec.generate_private_key(ec.SECP256R1()).public_key()
_USAGE = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


def main() -> None:
    """Measure, and print the figures."""
    with TemporaryDirectory() as name:
        address = SoftHsm(Path(name)).make_token()
        with open_token(address, Secret(USER_PIN), writable=True) as token:
            for algorithm in KeyPairAlgorithm:
                _compare(generate_key_pair(token, KeyReference(str(algorithm), 1), algorithm))


def _compare(pair: KeyPair) -> None:
    key = signing_key(pair)
    bare, certificates = _bare_signature(pair), lambda: _certificate(key)
    rates = {bare: 0.0, certificates: 0.0}
    for _ in range(_ROUNDS):
        for work in rates:
            rates[work] += _per_second(work) / _ROUNDS
    click.echo(
        f"{pair.algorithm}: {rates[certificates]:.0f} certificates a second,"
        f" {rates[bare]:.0f} bare signatures, ratio {rates[certificates] / rates[bare]:.2f}"
    )


def _per_second(work: Callable[[], object]) -> float:
    count, begun = 0, time.process_time()
    while time.process_time() < begun + _SECONDS:
        work()
        count += 1
    return count / (time.process_time() - begun)


def _bare_signature(pair: KeyPair) -> Callable[[], object]:
    """Return what makes one signature of 32 bytes, as the certificates' are made in the token."""
    digest = bytes(range(32))
    if pair.algorithm in RSA_BITS:
        info = DigestInfo({"digest_algorithm": {"algorithm": "sha256"}, "digest": digest}).dump()
        return lambda: pair.private.sign(info, mechanism=Mechanism.RSA_PKCS)
    if pair.algorithm is KeyPairAlgorithm.ED25519:
        return lambda: pair.private.sign(digest, mechanism=Mechanism.EDDSA)
    return lambda: pair.private.sign(digest, mechanism=Mechanism.ECDSA)


def _certificate(key: SigningKey) -> x509.Certificate:
    """Issue a certificate as a token has it, for one and the same public key."""
    public = key.public_key()
    algorithm = None if isinstance(key, Ed25519SigningKey) else SHA256()
    names = {NameOID.ORGANIZATION_NAME: "Example", NameOID.COMMON_NAME: "A Person"}
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in names.items()])
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_NOW)
        .not_valid_after(_NOW + timedelta(days=365))
        .public_key(_HOLDER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_USAGE, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(_HOLDER), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        .sign(key, algorithm)
    )


if __name__ == "__main__":
    main()
