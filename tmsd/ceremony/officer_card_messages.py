"""What a ceremony and the process that an officer's card is used in say to each other.

Each message is a line of JSON. Behind the line of a `Sign` comes the PIN, as it is.
"""

from msgspec import Struct

from hsm.smart_card import PinTries


class Look(Struct, frozen=True, forbid_unknown_fields=True):
    """What is in the readers?

    Attributes:
        module: the PKCS#11 module.
        label: of the token that is looked for; None for any.
        serial: the same.
    """

    module: str
    label: str | None
    serial: str | None


class SeenKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A key of a card: its id in hex, its label, and its SubjectPublicKeyInfo in DER."""

    id: str
    label: str
    public_key: bytes


class SeenCard(Struct, frozen=True, forbid_unknown_fields=True):
    """A card in a reader, and how many wrong PINs it still takes."""

    label: str
    serial: str
    tries: PinTries
    keys: tuple[SeenKey, ...]


class Seen(Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """The answer to `Look`."""

    cards: tuple[SeenCard, ...]


class Sign(Struct, frozen=True, forbid_unknown_fields=True):
    """Sign this, by a key of a card: their places in `Seen`.

    Attributes:
        card: from 0.
        key: from 0.
        message: what is signed.
        pin_length: in bytes.
    """

    card: int
    key: int
    message: bytes
    pin_length: int


class Signed(Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """The answer to `Sign`: the signature, as an approval has it."""

    signature: bytes


class Failed(Struct, frozen=True, forbid_unknown_fields=True, tag=True):
    """The answer to both where the card refuses: the name of an HsmError, and its words."""

    error: str
    words: str
