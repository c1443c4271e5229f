"""A person's smart card, as a PKCS#11 module shows it: its keys, and one signature by one of them.

It comes and goes with its owner, who types its PIN, and its keys were made elsewhere: they are told
apart by their public halves, which a card shows to everybody. A key with CKA_ALWAYS_AUTHENTICATE,
as PIV's for digital signatures (NIST SP 800-73-4 part 1, table 4b), takes the PIN once more
for each signature (PKCS#11 2.40, section 4.9).
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pkcs11
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.x509 import load_der_x509_certificate
from pkcs11 import Attribute, CertificateType, Mechanism, ObjectClass, TokenFlag
from pkcs11 import exceptions as ck
from pkcs11._pkcs11 import lib as Module  # noqa: N812  the class behind pkcs11.lib()

from hsm.errors import KeyNotFound, KeyUnsuitable, PinRefused, hsm_errors
from hsm.public_keys import PublicKey, algorithm_of, public_key_of
from hsm.secret import Secret

_HASHES: Mapping[int, str] = {256: "sha256", 384: "sha384", 521: "sha512"}
"""The hash of a curve's strength, by the length of its order in bits."""


class PinTries(StrEnum):
    """How many wrong PINs a card still takes, as far as CK_TOKEN_INFO tells it (2.40, table 6)."""

    UNTOLD = "untold"
    FEW = "few"
    ONE = "one"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SmartCardKey:
    """A key of a card.

    Attributes:
        id: its CKA_ID, up to 255 bytes.
        label: its CKA_LABEL, as `SIGN pubkey`.
        public_key: its public half.
    """

    id: bytes
    label: str
    public_key: PublicKey


class SmartCard:
    """A card in a reader.

    Args:
        token: python-pkcs11's.
    """

    def __init__(self, token: pkcs11.Token) -> None:
        self._token = token

    @property
    def label(self) -> str:
        """The token's label, up to 32 bytes; OpenSC has the owner's name there."""
        return str(self._token.label)

    @property
    def serial(self) -> str:
        """The token's serial number, up to 16 characters."""
        return bytes(self._token.serial).decode("ascii", "replace").strip("\0 ")

    @property
    def tries(self) -> PinTries:
        """How many wrong PINs it still took when it was found."""
        return _tries(self._token.flags)

    @hsm_errors
    def keys(self) -> list[SmartCardKey]:
        """Return the signature keys whose public half or certificate it shows without a PIN.

        Raises:
            TokenLost: the card is gone.
        """
        with self._token.open() as session:
            keys = {key.id: key for key in (*_certified_keys(session), *_public_keys(session))}
        return sorted(keys.values(), key=lambda key: key.id)

    @hsm_errors
    def sign(self, key: SmartCardKey, message: bytes, pin: Secret) -> bytes:
        """Sign a message: RSA by PKCS #1 v1.5 with SHA-256, curves by their hash, Ed25519.

        Args:
            key: one of this card's.
            message: of any length.
            pin: the owner's; it is tried once, and wiped as soon as the card has seen it.

        Returns:
            The signature, for ECDSA in DER (RFC 3279, 2.2.3).

        Raises:
            PinRefused: the PIN is wrong, or the card is blocked; the message says which.
            KeyNotFound: the private half is not on the card.
            TokenLost: the card is gone.
        """
        with pin as value:
            digits = value.decode()
            with self._logged_in(digits) as session:
                return _signature(session, key, message, digits)

    def _logged_in(self, pin: str) -> pkcs11.Session:
        try:
            return self._token.open(user_pin=pin)
        except ck.PinIncorrect:
            raise PinRefused(f"{self} refused the PIN: {self._tries_left()}") from None
        except ck.PinLocked:
            raise PinRefused(f"{self} is blocked, after too many wrong PINs") from None
        except (ck.PinLenRange, ck.PinInvalid, ck.DataInvalid):
            # OpenSC's answer where the card knows without a try that this is none.
            raise PinRefused(f"{self}: this can be no PIN of it, so that no try was used") from None

    def _tries_left(self) -> str:
        return {
            PinTries.UNTOLD: "it does not tell how many tries are left",
            PinTries.FEW: "few tries are left",
            PinTries.ONE: "one try is left, and a wrong PIN blocks it",
            PinTries.NONE: "it is blocked now",
        }[_tries(self._token.slot.get_token().flags)]

    def __str__(self) -> str:
        return f"card {self.label!r} (serial {self.serial})"


@hsm_errors
def smart_cards(
    module: Module, label: str | None = None, serial: str | None = None
) -> list[SmartCard]:
    """Return the cards in the module's readers; those that it cannot read are none.

    Args:
        module: as hsm.module.load_module returns it.
        label: of those that are looked for; None for any.
        serial: the same.

    Raises:
        TokenLost: the readers cannot be reached.
    """
    found = []
    for slot in module.get_slots(token_present=True):
        try:
            card = SmartCard(slot.get_token())
        except (ck.TokenNotRecognised, ck.TokenNotPresent):
            continue
        if label in (None, card.label) and serial in (None, card.serial):
            found.append(card)
    return found


def _tries(flags: TokenFlag) -> PinTries:
    if flags & TokenFlag.USER_PIN_LOCKED:
        return PinTries.NONE
    if flags & TokenFlag.USER_PIN_FINAL_TRY:
        return PinTries.ONE
    return PinTries.FEW if flags & TokenFlag.USER_PIN_COUNT_LOW else PinTries.UNTOLD


def _public_keys(session: pkcs11.Session) -> Iterator[SmartCardKey]:
    for handle in session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY}):
        if _says(handle, Attribute.VERIFY):
            with suppress(KeyUnsuitable):
                public_key = public_key_of(handle, algorithm_of(handle))
                yield SmartCardKey(bytes(handle[Attribute.ID]), handle[Attribute.LABEL], public_key)


def _certified_keys(session: pkcs11.Session) -> Iterator[SmartCardKey]:
    certificates = {
        Attribute.CLASS: ObjectClass.CERTIFICATE,
        Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
    }
    for handle in session.get_objects(certificates):
        with suppress(ValueError, UnsupportedAlgorithm):
            public_key = load_der_x509_certificate(bytes(handle[Attribute.VALUE])).public_key()
            if isinstance(public_key, PublicKey):
                yield SmartCardKey(bytes(handle[Attribute.ID]), handle[Attribute.LABEL], public_key)


def _says(handle: Any, attribute: Attribute) -> bool:  # noqa: ANN401  see TokenKey
    """Return a boolean attribute; no, where the module does not know it."""
    try:
        return bool(handle[attribute])
    except ck.AttributeTypeInvalid:
        return False


def _signature(session: pkcs11.Session, key: SmartCardKey, message: bytes, pin: str) -> bytes:
    name = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: key.id}
    private: Any = next(iter(session.get_objects(name)), None)
    if private is None:
        raise KeyNotFound(f"the private half of {key.label!r} (id {key.id.hex()}) is not there")
    again = pin if _says(private, Attribute.ALWAYS_AUTHENTICATE) else None
    public_key = key.public_key
    if isinstance(public_key, rsa.RSAPublicKey):
        return bytes(private.sign(message, mechanism=Mechanism.SHA256_RSA_PKCS, pin=again))
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        digest = hashlib.new(_HASHES[public_key.key_size], message).digest()
        raw = bytes(private.sign(digest, mechanism=Mechanism.ECDSA, pin=again))
        half = len(raw) // 2
        return encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))
    return bytes(private.sign(message, mechanism=Mechanism.EDDSA, pin=again))
