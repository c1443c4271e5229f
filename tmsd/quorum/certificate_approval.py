"""What officers approve of a certificate: all that it says, to the byte, before it is signed.

The id of the request is the serial number of the certificate, and its validity is told: whoever
executes a request once more gets the same certificate, and no other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography import x509

from tmsd.quorum.quorum import Quorum
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.quorum.request import LONGEST_LIFE_SECONDS, Request
from tmsd.x509.building import Terms
from tmsd.x509.names import kind_and_value
from tmsd.x509.public_keys import kind_of, spki_sha256

ACTION = "certificate.issue"

_FROM, _UNTIL = "valid_from", "valid_until"
_TIME = "%Y-%m-%d %H:%M:%S UTC"


@dataclass(frozen=True, slots=True)
class Draft:
    """A certificate as it will be, whoever has signed this one.

    Attributes:
        ca: which issues it, as the policy names it.
        profile: by which it is issued.
        certificate: of the signature nothing counts.
    """

    ca: str
    profile: str
    certificate: x509.Certificate

    @property
    def request_id(self) -> str:
        """The serial number, 32 lower-case hex digits."""
        return f"{self.certificate.serial_number:032x}"

    @property
    def parameters(self) -> Mapping[str, str]:
        """What officers are shown; the last of it is all that is signed."""
        certificate = self.certificate
        names = {"alternative_names": alternative} if (alternative := _names(certificate)) else {}
        return names | {
            "ca": self.ca,
            "profile": self.profile,
            "subject": certificate.subject.rfc4514_string(),
            "key": str(kind_of(certificate.public_key())),
            "public_key_sha256": spki_sha256(certificate.public_key()),
            _FROM: f"{certificate.not_valid_before_utc:{_TIME}}",
            _UNTIL: f"{certificate.not_valid_after_utc:{_TIME}}",
            "to_be_signed_sha256": sha256(certificate.tbs_certificate_bytes).hexdigest(),
        }


def request_for(
    draft: Draft, quorum: Quorum, policy_version: int, requester: str, now: datetime
) -> Request:
    """Return the request for a certificate, which lasts for as long as one may.

    Args:
        draft: the certificate.
        quorum: who is asked.
        policy_version: of the policy in force.
        requester: who asks: an operator, or an officer, who cannot approve it then.
        now: the time.
    """
    return Request(
        deployment=quorum.deployment,
        action=ACTION,
        parameters=dict(draft.parameters),
        quorum=quorum.digest,
        policy_version=policy_version,
        request_id=draft.request_id,
        requester=requester,
        expires=int(now.timestamp()) + LONGEST_LIFE_SECONDS,
    )


def terms_of(request: Request) -> Terms:
    """Return the serial number and the validity that are asked for.

    Raises:
        ApprovalRefused: `request-of-other-certificate`: it asks for no certificate.
    """
    try:
        first, last = (
            datetime.strptime(str(request.parameters[name]), _TIME).replace(tzinfo=UTC)
            for name in (_FROM, _UNTIL)
        )
    except (KeyError, ValueError):
        raise _other("it asks for no certificate") from None
    return Terms(int(request.request_id, 16), first, last)


def require_request_for(request: Request, draft: Draft) -> None:
    """Refuse a request that asks for another certificate.

    Raises:
        ApprovalRefused: `request-of-other-certificate`.
    """
    if request.action != ACTION:
        raise _other(f"it asks for {request.action}")
    asked = {**request.parameters, "serial_number": request.request_id}
    at_hand = {**draft.parameters, "serial_number": draft.request_id}
    names = sorted(asked.keys() | at_hand.keys())
    if differing := [name for name in names if asked.get(name) != at_hand.get(name)]:
        told = ", ".join(differing).replace("_", " ")
        raise _other(f"it differs from what is at hand in {told}")


def _names(certificate: x509.Certificate) -> str:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ""
    return ", ".join(":".join(kind_and_value(name)) for name in found.value)


def _other(words: str) -> ApprovalRefused:
    return ApprovalRefused(Rule.REQUEST_OF_OTHER_CERTIFICATE, words)
