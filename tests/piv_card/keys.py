"""The card's keys: references and algorithm identifiers of SP 800-78-4, and what a key signs."""

from dataclasses import dataclass
from enum import IntEnum

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from tests.pcsc.apdu import Refusal, StatusWord

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class KeyReference(IntEnum):
    """Which key: SP 800-78-4 table 6-1."""

    AUTHENTICATION = 0x9A
    SIGNATURE = 0x9C
    KEY_MANAGEMENT = 0x9D
    CARD_AUTHENTICATION = 0x9E


class Algorithm(IntEnum):
    """What a key is of: SP 800-78-4 table 6-2."""

    RSA_2048 = 0x07
    P256 = 0x11
    P384 = 0x14


class Access(IntEnum):
    """What a key wants before it signs: SP73 part 1, table 4b."""

    ALWAYS = 0
    PIN = 1
    PIN_ALWAYS = 2  # immediately before each signature


ACCESS = {
    KeyReference.AUTHENTICATION: Access.PIN,
    KeyReference.SIGNATURE: Access.PIN_ALWAYS,
    KeyReference.KEY_MANAGEMENT: Access.PIN,
    KeyReference.CARD_AUTHENTICATION: Access.ALWAYS,
}
_CURVES = {"secp256r1": (Algorithm.P256, SHA256()), "secp384r1": (Algorithm.P384, SHA384())}


@dataclass(frozen=True, slots=True)
class CardKey:
    """A private key on the card.

    Raises:
        ValueError: it is of none of the algorithms.
    """

    private: PrivateKey

    def __post_init__(self) -> None:
        if isinstance(self.private, rsa.RSAPrivateKey):
            if self.private.key_size != 2048:
                raise ValueError(f"RSA of {self.private.key_size} bits is not on this card")
        elif self.private.curve.name not in _CURVES:
            raise ValueError(f"{self.private.curve.name} is not on this card")

    @property
    def algorithm(self) -> Algorithm:
        """The identifier that GENERAL AUTHENTICATE has in P1."""
        if isinstance(self.private, rsa.RSAPrivateKey):
            return Algorithm.RSA_2048
        return _CURVES[self.private.curve.name][0]

    def sign(self, challenge: bytes) -> bytes:
        """Sign what the host has hashed, and for RSA has padded: SP73 part 2, A.4.

        Raises:
            Refusal: 6A80 where the challenge has another length than the key takes.
        """
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            _, digest = _CURVES[self.private.curve.name]
            _require(len(challenge) == digest.digest_size)
            return self.private.sign(challenge, ec.ECDSA(Prehashed(digest)))
        numbers = self.private.private_numbers()
        modulus, message = numbers.public_numbers.n, int.from_bytes(challenge)
        _require(len(challenge) == 256 and message < modulus)
        return pow(message, numbers.d, modulus).to_bytes(256)


def _require(fits: bool) -> None:
    if not fits:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
