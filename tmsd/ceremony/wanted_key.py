"""A key that the policy names: where it is in the token, what it must be, what it is for."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum

from pkcs11 import Attribute

from hsm import attributes
from hsm.attributes import Template
from hsm.keys import (
    AES_128,
    AES_192,
    AES_256,
    DES2,
    DES3,
    SECRET_16,
    SECRET_24,
    SECRET_32,
    KeyReference,
    KeyShape,
)
from tmsd.ceremony.refusal import Refused
from tmsd.config.key_sets import KeyAlgorithm


class Purpose(Enum):
    """What a key of the policy is for."""

    MASTER = "derives the cards' keys"
    UNDIVERSIFIED = "is each card's key itself"
    HMAC_MASTER = "derives the cards' keys by HMAC"
    TRANSPORT = "wraps session keys for a caller"
    ZONE_MASTER = "unwraps keys that card makers send"
    KEY_BLOCK_PROTECTION = "opens key blocks that card makers send"


class Backup(StrEnum):
    """Whether a key can leave the token under the backup key, which a quorum holds."""

    NONE = "none"
    QUORUM = "quorum"


_TEMPLATES: Mapping[Purpose, Template] = {
    Purpose.MASTER: attributes.MASTER_KEY,
    Purpose.UNDIVERSIFIED: attributes.UNDIVERSIFIED_KEY,
    Purpose.HMAC_MASTER: attributes.HMAC_MASTER_KEY,
    Purpose.TRANSPORT: attributes.TRANSPORT_KEY,
    Purpose.ZONE_MASTER: attributes.ZONE_MASTER_KEY,
    Purpose.KEY_BLOCK_PROTECTION: attributes.KEY_BLOCK_PROTECTION_KEY,
}
_COMPONENT_SHAPES: Mapping[KeyAlgorithm, tuple[KeyShape, ...]] = {
    KeyAlgorithm.AES128: (AES_128,),
    KeyAlgorithm.AES192: (AES_192,),
    KeyAlgorithm.AES256: (AES_256,),
    KeyAlgorithm.DES3: (DES3, DES2),
}


@dataclass(frozen=True, slots=True)
class WantedKey:
    """A key that the policy names, whether it is in the token or not.

    Attributes:
        reference: the label and the version (1 to 255) that it has in the token.
        algorithm: what it is a key of.
        purpose: what it is for.
        factory: whether it may be one of the keys that card makers publish.
        backup: whether it can be backed up. One that can be is extractable: whoever has the login
            to the token can wrap it under a key of their own.
    """

    reference: KeyReference
    algorithm: KeyAlgorithm
    purpose: Purpose = Purpose.MASTER
    factory: bool = False
    backup: Backup = Backup.NONE

    @property
    def component_shapes(self) -> tuple[KeyShape, ...]:
        """What its components may make."""
        return _COMPONENT_SHAPES[self.algorithm]

    @property
    def token_shapes(self) -> tuple[KeyShape, ...]:
        """What it may be in the token; the first is what is generated."""
        if self.purpose is Purpose.HMAC_MASTER:
            return (SECRET_32, SECRET_24, SECRET_16)
        if self.purpose is Purpose.UNDIVERSIFIED and self.algorithm is KeyAlgorithm.DES3:
            return (DES2, DES3)  # a card's own triple DES key is of two keys
        return self.component_shapes

    @property
    def template(self) -> Template:
        """The attributes that it gets."""
        extractable = self.backup is Backup.QUORUM
        return {**_TEMPLATES[self.purpose], Attribute.EXTRACTABLE: extractable}


def require_algorithm(key: WantedKey, claimed: KeyAlgorithm) -> None:
    """Make sure that whoever makes a key means what the policy says.

    Raises:
        Refused: they mean another algorithm.
    """
    if claimed is not key.algorithm:
        raise Refused(
            f"{key.reference} is {key.algorithm} in the policy, not {claimed}: "
            "correct one of the two"
        )
