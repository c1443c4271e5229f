"""Step: make the certificate of a root CA, signed by its own key in the token."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509

from hsm.key_pairs import find_key_pair
from hsm.keys import KeyReference
from hsm.signing import signing_key
from hsm.token import Token
from tmsd.errors import Code, ServiceError
from tmsd.x509.building import Terms
from tmsd.x509.linting import require_same, signed_for_trial
from tmsd.x509.refusal import CertificateRefused
from tmsd.x509.roots import lint_root, root_builder
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
    """Make the certificate, once it was looked over on trial.

    Args:
        token: logged in.
        reference: the CA's key pair, which is there.
        wanted: what it says.
        now: the present; it is valid from now on.

    Raises:
        KeyNotFound: there is no such key pair.
        ServiceError: `issuance-refused`, with the rule that it would break.
        HsmError: the token refuses.
    """
    pair = find_key_pair(token, reference)
    begin = now.replace(microsecond=0)
    terms = Terms(
        int.from_bytes(token.random(SERIAL_NUMBER_LENGTH)),
        begin,
        begin + timedelta(days=wanted.days) - timedelta(seconds=1),
    )
    scheme = scheme_for(pair.public_key, pss=wanted.pss)
    try:
        built = root_builder(wanted.subject, pair.public_key, terms, wanted.path_length)
        trial = signed_for_trial(built, pair.public_key, scheme)
        lint_root(trial, wanted.path_length)
        root = scheme.sign_certificate(built, signing_key(pair))
        require_same(trial, root)
    except CertificateRefused as refused:
        raise ServiceError(Code.ISSUANCE_REFUSED, str(refused)) from None
    return root
