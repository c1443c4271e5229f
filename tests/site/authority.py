"""The certificate authority of a site: its key pairs in the token, its certificates, its policy."""

import shutil
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hsm.key_pairs import generate_key_pair
from hsm.keys import KeyReference
from hsm.public_keys import KeyPairAlgorithm
from hsm.token import Token
from tests.site.identities import RA, TPS
from tmsd.ceremony.steps.make_root import RootWanted, make_root
from tmsd.clock import now

CA = "demo"
PROFILES = Path(__file__).parents[2] / "config" / "profiles"

TABLE = f"""
[cas.{CA}]
certificate = "{CA}.pem"
profiles = ["token-authentication", "token-encryption", "tls-server", "officer"]
crl_url = "http://pki.example/{CA}.crl"
"""
MAY_HAVE = {
    TPS: f'certificates = ["{CA}:token-authentication", "{CA}:token-encryption"]',
    RA: f'certificates = ["{CA}:token-authentication", "{CA}:tls-server"]',
}
"""By caller, the lines of policy.toml that give it certificates."""


def copy_profiles(directory: Path) -> None:
    """Put the shipped profiles where the policy finds them."""
    shutil.copytree(PROFILES, directory / "profiles")


def make_authority(directory: Path, token: Token) -> None:
    """Make the CA's key in the token, and its certificate."""
    reference = KeyReference(CA, 1)
    generate_key_pair(token, reference, KeyPairAlgorithm.P256)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA of a test site")])
    root = make_root(token, reference, RootWanted(subject, days=3652), now())
    (directory / f"{CA}.pem").write_bytes(root.public_bytes(Encoding.PEM))
