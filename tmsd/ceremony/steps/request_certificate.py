"""Step: make a request for signing (PKCS #10) for a key pair in the token, as CAs have one."""

from cryptography import x509

from hsm.key_pairs import find_key_pair
from hsm.keys import KeyReference
from hsm.signing import signing_key
from hsm.token import Token
from tmsd.x509.signature import scheme_for


def request_certificate(
    token: Token, reference: KeyReference, subject: x509.Name
) -> x509.CertificateSigningRequest:
    """Return a request that the key pair signs.

    Raises:
        KeyNotFound: there is no such key pair.
        HsmError: the token refuses.
    """
    pair = find_key_pair(token, reference)
    scheme = scheme_for(pair.public_key)
    built = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return built.sign(signing_key(pair), scheme.digest)
