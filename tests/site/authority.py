"""The certificate authority of a site: its key pairs in the token, its certificates, its policy."""

import re
import shutil
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from hsm.key_pairs import KeyPair, find_key_pair, generate_key_pair
from hsm.keys import KeyReference
from hsm.public_keys import KeyPairAlgorithm
from hsm.signing import signing_key
from hsm.token import Token
from tests.site.identities import RA, TPS
from tmsd.ceremony.steps.make_root import RootWanted, make_root
from tmsd.clock import now
from tmsd.x509.public_keys import PublicKey, spki_sha256

CA = "demo"
RESPONDER = "demo-ocsp"
NONCES = "demo-nonces"
PROFILES = Path(__file__).parents[2] / "config" / "profiles"

BLOCKED_KEY = ec.derive_private_key(7, ec.SECP256R1())
"""A key that everybody knows, and that the policy blocks."""
BLOCKED_KEYS = "blocked-keys.txt"
BLOCKED = f'blocked_keys = "{BLOCKED_KEYS}"\n'
"""The line of policy.toml that names the file with it, before any table."""

TABLE = f"""
[cas.{CA}]
certificate = "{CA}.pem"
profiles = ["token-authentication", "token-encryption", "tls-server", "officer"]
crl_url = "http://pki.example/{CA}.crl"

[cas.{CA}.ocsp]
certificate = "{RESPONDER}.pem"
label = "{RESPONDER}"
url = "http://pki.example/ocsp"
"""
WITH_NONCES = f"""
[cas.{CA}.ocsp.nonces]
certificate = "{NONCES}.pem"
label = "{NONCES}"
"""
"""What makes the responder one with nonces, at the end of `TABLE`."""
MAY_HAVE = {
    TPS: f'certificates = ["{CA}:token-authentication", "{CA}:token-encryption"]',
    RA: f'certificates = ["{CA}:token-authentication", "{CA}:tls-server"]',
}
"""By caller, the lines of policy.toml that give it certificates."""


def have_crls(policy: Path, lines: str) -> None:
    """Have a site's policy say this of its CA's CRLs, in place of what it said but for the URL."""
    before = re.sub(r"\ncrl_(?!url)[^\n]*(?=\n)", "", policy.read_text())
    policy.write_text(before.replace("\ncrl_url", f"\n{lines}crl_url"))


def copy_profiles(directory: Path) -> None:
    """Put the shipped profiles where the policy finds them."""
    shutil.copytree(PROFILES, directory / "profiles")


def block_keys(directory: Path) -> None:
    """Write the file of blocked keys."""
    key = spki_sha256(BLOCKED_KEY.public_key())
    (directory / BLOCKED_KEYS).write_text(f"# of a test\n{key}\n")


def make_authority(directory: Path, token: Token) -> None:
    """Make the keys of the CA and of its responder in the token, and their certificates."""
    reference = KeyReference(CA, 1)
    generate_key_pair(token, reference, KeyPairAlgorithm.P256)
    root = make_root(token, reference, RootWanted(_named("CA of a test site"), days=3652), now())
    (directory / f"{CA}.pem").write_bytes(root.public_bytes(Encoding.PEM))
    pair = generate_key_pair(token, KeyReference(RESPONDER, 1), KeyPairAlgorithm.P256)
    _write_responder(directory / f"{RESPONDER}.pem", root, token, pair.public_key)


def make_nonce_responder(directory: Path, token: Token, public_key: PublicKey) -> None:
    """Have the CA, whose key is in the token, certify a key for nonces that is in another."""
    root = x509.load_pem_x509_certificate((directory / f"{CA}.pem").read_bytes())
    _write_responder(directory / f"{NONCES}.pem", root, token, public_key)


def _write_responder(
    file: Path, root: x509.Certificate, token: Token, public_key: PublicKey
) -> None:
    issuer = find_key_pair(token, KeyReference(CA, 1))
    file.write_bytes(_responder(root, issuer, public_key).public_bytes(Encoding.PEM))


def _responder(root: x509.Certificate, issuer: KeyPair, public_key: PublicKey) -> x509.Certificate:
    begin = now().replace(microsecond=0)
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING])
    builder = x509.CertificateBuilder(
        root.subject, _named("responder"), public_key, x509.random_serial_number()
    )
    dated = builder.not_valid_before(begin).not_valid_after(begin + timedelta(days=90))
    return dated.add_extension(purpose, critical=False).sign(signing_key(issuer), SHA256())


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
