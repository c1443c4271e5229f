"""A DRM's transport certificate, of the key that a running Dogtag had."""

import json
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from tests.vectors import DIRECTORY
from tmsd import clock


def kra_private_key() -> RSAPrivateKey:
    """Return the private key, by which a DRM reads what is encrypted for it."""
    keys = json.loads((DIRECTORY / "dogtag_exchanges.json").read_text())["keys"]
    loaded = load_pem_private_key(keys["kra_transport_private_key_pem"].encode(), None)
    assert isinstance(loaded, RSAPrivateKey)
    return loaded


def kra_certificate_pem() -> bytes:
    """Return a certificate of it, in PEM, that it signed itself."""
    key = kra_private_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "DRM Transport Certificate")])
    now = clock.now()
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .sign(key, SHA256())
    )
    return certificate.public_bytes(Encoding.PEM)
