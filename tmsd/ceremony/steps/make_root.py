"""Step: make the certificate of a root CA, signed by its own key in the token."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from hsm.key_pairs import find_key_pair
from hsm.keys import KeyReference
from hsm.signing import signing_key
from hsm.token import Token
from tmsd.x509.building import Terms
from tmsd.x509.roots import root_builder
from tmsd.x509.signature import scheme_for

SERIAL_NUMBER_LENGTH = 16


@dataclass(frozen=True, slots=True)
class RootWanted:
    """A root as it is wanted.

    Attributes:
        subject: of the CA.
        days: how long it is valid.
        path_length: how many CAs may follow; None for any number.
        pss: RSA signs with PSS.
    """

    subject: x509.Name
    days: int
    path_length: int | None = None
    pss: bool = False


def make_root(
    token: Token, reference: KeyReference, wanted: RootWanted, now: datetime
) -> x509.Certificate:
    """Make the certificate.

    Args:
        token: logged in.
        reference: the CA's key pair, which is there.
        wanted: what it says.
        now: the present; it is valid from now on.

    Raises:
        KeyNotFound: there is no such key pair.
        HsmError: the token refuses.
    """
    pair = find_key_pair(token, reference)
    begin = now.replace(microsecond=0)
    terms = Terms(
        int.from_bytes(token.random(SERIAL_NUMBER_LENGTH)),
        begin,
        begin + timedelta(days=wanted.days) - timedelta(seconds=1),
    )
    built = root_builder(wanted.subject, pair.public_key, terms, wanted.path_length)
    scheme = scheme_for(pair.public_key, pss=wanted.pss)
    return scheme.sign_certificate(built, signing_key(pair))
