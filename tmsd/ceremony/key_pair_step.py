"""What steps that have to do with a CA's key pair have in common: which one it is."""

from abc import ABC
from typing import Annotated

from cryptography.x509 import Name
from pydantic import AfterValidator, Field

from hsm.keys import KeyReference
from hsm.token import Token
from tmsd.ceremony.described_key_pair import describe_key_pair
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.step import Step
from tmsd.config.reserved_keys import KeyLabel
from tmsd.config.values import text


def _subject(value: str) -> str:
    try:
        subject = Name.from_rfc4514_string(value)
    except ValueError:
        subject = Name([])
    if not list(subject):
        raise ValueError(f"{value!r} is no name as CN=Example CA,O=Example,C=DE (RFC 4514)")
    return value


Subject = Annotated[str, text(400), AfterValidator(_subject)]
"""The name of a CA or of its responder, as RFC 4514 writes it."""


class KeyPairStep(Step, ABC):
    """A step that has to do with one key pair.

    Attributes:
        label: of both its halves in the token.
        version: 1 to 255.
    """

    label: KeyLabel
    version: Annotated[int, Field(ge=1, le=255)]

    @property
    def reference(self) -> KeyReference:
        """The name that both halves have in the token."""
        return KeyReference(self.label, self.version)

    @property
    def name(self) -> str:
        """The key pair in words, as `key pair 'root' version 1`."""
        return f"key pair {self.label!r} version {self.version}"

    @property
    def key(self) -> str:
        """The key pair as minutes have it, as `root:1`."""
        return f"{self.label}:{self.version}"

    def proven_public_key_sha256(self, token: Token) -> str:
        """Return the SHA-256 of the SubjectPublicKeyInfo, in hex, once the private half signed.

        Raises:
            KeyNotFound: there is no such key pair.
            Refused: it cannot be used.
            HsmError: the token refuses.
        """
        described = describe_key_pair(token, self.reference)
        if described.identity is None:
            raise Refused(f"{self.name}: {described.fault}")
        return described.identity.spki_sha256.hex()
