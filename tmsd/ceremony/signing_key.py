"""Which key pairs of a token sign for a CA, or for its OCSP responder."""

from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from hsm.keys import KeyReference
from tmsd.ceremony.refusal import Refused
from tmsd.config.reserved_keys import KeyLabel

_LABEL: TypeAdapter[str] = TypeAdapter(KeyLabel)


@dataclass(frozen=True, slots=True)
class WantedKeyPair:
    """A key pair of a CA, whether it is in the token or not.

    Attributes:
        reference: the label and the version (1 to 255) that it has in the token.
        signs: what, as `certificates and CRLs of CA demo`.
        is_for_nonces: whether it is in the token for nonces, and not in that of all others.
    """

    reference: KeyReference
    signs: str
    is_for_nonces: bool = False


def ca_key_pair(ca: str, version: int, label: str | None = None) -> WantedKeyPair:
    """Return the key pair by which a CA signs certificates and CRLs.

    Args:
        ca: the CA's name.
        version: of the key, 1 to 255.
        label: of the key in the token; by default the CA's name.

    Raises:
        Refused: the label is none.
    """
    return WantedKeyPair(_reference(label or ca, version), f"certificates and CRLs of CA {ca}")


def responder_key_pair(ca: str, version: int, label: str | None = None) -> WantedKeyPair:
    """Return the key pair by which a CA's responder signs; by default its label is NAME-ocsp.

    Raises:
        Refused: as ca_key_pair does.
    """
    reference = _reference(label or f"{ca}-ocsp", version)
    return WantedKeyPair(reference, f"OCSP responses of CA {ca}")


def nonce_key_pair(ca: str, version: int, label: str | None = None) -> WantedKeyPair:
    """Return the key pair that signs nonces for a CA; by default its label is NAME-nonces.

    Raises:
        Refused: as ca_key_pair does.
    """
    reference = _reference(label or f"{ca}-nonces", version)
    return WantedKeyPair(reference, f"OCSP responses with nonces of CA {ca}", is_for_nonces=True)


def _reference(label: str, version: int) -> KeyReference:
    try:
        return KeyReference(_LABEL.validate_python(label), version)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise Refused(f"label {label!r}: {reason}") from error
