"""What the other CA sends in a rehearsal: a CA that is made up certifies the key pair."""

from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tmsd.x509.building import Issuer, Names, Terms, assembled
from tmsd.x509.public_keys import PublicKey
from tmsd.x509.roots import profile_of_cas, root_builder

_DAYS = 365


def leave_certificate(
    received: Path, issuer: Path, subject: x509.Name, key: PublicKey, now: datetime
) -> None:
    """Write the certificate, and that of the CA which issued it.

    Args:
        received: the file of the one.
        issuer: the file of the other.
        subject: whom it is for.
        key: which it certifies.
        now: the present.
    """
    begin = now.replace(microsecond=0)
    terms = Terms(x509.random_serial_number(), begin, begin + timedelta(days=_DAYS))
    own_key = ec.generate_private_key(ec.SECP256R1())
    own_name = x509.Name.from_rfc4514_string("CN=CA of the rehearsal")
    root = root_builder(own_name, own_key.public_key(), terms, None).sign(own_key, SHA256())
    builder = assembled(Issuer(root), profile_of_cas(None), key, Names(subject), terms)
    certificate = builder.sign(own_key, SHA256())
    issuer.write_bytes(root.public_bytes(Encoding.PEM))
    received.write_bytes(certificate.public_bytes(Encoding.PEM))
