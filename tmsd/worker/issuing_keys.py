"""The keys of CAs and responders: in the token, and those of their certificates."""

from cryptography import x509

from hsm.keys import KeyReference
from hsm.signing import SigningKey, signing_key
from tmsd.config.authorities import Authority
from tmsd.config.cas import NonceResponder, Responder
from tmsd.errors import Code, ServiceError
from tmsd.worker.context import Context
from tmsd.worker.keyring import Keyring
from tmsd.x509.public_keys import PublicKey, spki_sha256
from tmsd.x509.signature import SignatureScheme, scheme_for


def public_key_of(authority: Authority) -> PublicKey:
    """Return the public key of a CA's certificate."""
    key = authority.certificate.public_key()
    if not isinstance(key, PublicKey):
        raise TypeError(f"{authority.table.name} has a key that signs no certificates")
    return key


def scheme_of(authority: Authority) -> SignatureScheme:
    """Return how a CA signs."""
    return scheme_for(public_key_of(authority), pss=authority.table.pss)


def ca_key(context: Context, authority: Authority) -> SigningKey:
    """Return the private key of a CA.

    Raises:
        ServiceError: `key-missing`.
    """
    reference = KeyReference(authority.table.label, authority.table.version)
    return _key(context.keyring, reference, authority.certificate)


def responder_key(
    keyring: Keyring, responder: Responder | NonceResponder, certificate: x509.Certificate
) -> SigningKey:
    """Return the private key of a responder.

    Raises:
        ServiceError: `key-missing`.
    """
    return _key(keyring, KeyReference(responder.label, responder.version), certificate)


def _key(keyring: Keyring, reference: KeyReference, certificate: x509.Certificate) -> SigningKey:
    pair = keyring.key_pair(reference)
    if spki_sha256(pair.public_key) != spki_sha256(certificate.public_key()):
        subject = certificate.subject.rfc4514_string()
        raise ServiceError(
            Code.KEY_MISSING, f"{reference} is not the key of the certificate of {subject}"
        )
    return signing_key(pair)
