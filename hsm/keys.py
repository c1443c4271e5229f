"""Keys of a token: what they are, how they are found, and the handle to use them by."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pkcs11 import Attribute, KeyType

from hsm.direct import METHODS, DirectKey
from hsm.errors import KeyUnsuitable, TokenLost, hsm_errors


@dataclass(frozen=True, slots=True)
class KeyShape:
    """A secret key's PKCS#11 type and its length in bytes.

    Attributes:
        key_type: CKA_KEY_TYPE.
        length: in bytes.
        is_aes: whether this is an AES key.
        block: the block length of the cipher, in bytes.
    """

    key_type: KeyType
    length: int
    is_aes: bool = field(init=False, compare=False, repr=False)
    block: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Say once what each use of a key asks."""
        is_aes = self.key_type is KeyType.AES
        object.__setattr__(self, "is_aes", is_aes)
        object.__setattr__(self, "block", 16 if is_aes else 8)

    @property
    def is_generic(self) -> bool:
        """Whether this is raw bytes; what is neither is two- or three-key triple DES."""
        return self.key_type is KeyType.GENERIC_SECRET


DES2 = KeyShape(KeyType.DES2, 16)
DES3 = KeyShape(KeyType.DES3, 24)
AES_128 = KeyShape(KeyType.AES, 16)
AES_192 = KeyShape(KeyType.AES, 24)
AES_256 = KeyShape(KeyType.AES, 32)
# Raw bytes: HMAC keys, and keys filled up to whole blocks for wrapping.
SECRET_16 = KeyShape(KeyType.GENERIC_SECRET, 16)
SECRET_24 = KeyShape(KeyType.GENERIC_SECRET, 24)
SECRET_32 = KeyShape(KeyType.GENERIC_SECRET, 32)
# Of the MAC of a backup: as no other key has this length, a wrapped one is taken for no other.
SECRET_64 = KeyShape(KeyType.GENERIC_SECRET, 64)

CIPHER_SHAPES = (DES2, DES3, AES_128, AES_192, AES_256)
SHAPES = (*CIPHER_SHAPES, SECRET_16, SECRET_24, SECRET_32)


class KeyReference(NamedTuple):
    """How a persistent key is found: CKA_LABEL, and CKA_ID with its version in one byte."""

    label: str
    version: int

    @property
    def id(self) -> bytes:
        """The CKA_ID, 1 byte."""
        return bytes([self.version])

    def __str__(self) -> str:
        return f"key {self.label!r} version {self.version}"


@dataclass(frozen=True, slots=True)
class TokenKey:
    """A key in the token: its handle and what it is.

    The handle is python-pkcs11's object. Its methods follow from the key's attributes at
    run time (`encrypt` is there with CKA_ENCRYPT alone), which no static type can say.

    Attributes:
        handle: see above.
        shape: what it is.
        direct: the same key for calls past python-pkcs11, where there are such.
    """

    handle: Any
    shape: KeyShape
    direct: DirectKey | None = field(default=None, compare=False, repr=False)

    def may(self, name: str) -> bool:
        """Whether the key has the attribute that comes with this method."""
        return hasattr(self.handle, name)

    @hsm_errors
    def method(self, name: str) -> Any:  # noqa: ANN401  see above
        """Return the handle's method of this name: `encrypt`, `sign`, `derive_key`, ….

        Raises:
            KeyUnsuitable: the key lacks the attribute that comes with the method.
            TokenLost: the key has it, and the token failed to say so.
        """
        try:
            return getattr(self.handle, name)
        except AttributeError as error:
            self.require_whole()
            label = self.handle[Attribute.LABEL]
            raise KeyUnsuitable(f"key {label!r} lacks CKA_{METHODS[name].name}") from error

    @hsm_errors
    def require_whole(self) -> None:
        """Refuse a handle that lacks a method though its key has the attribute.

        Where a token fails to tell an attribute when a handle is made, python-pkcs11 goes on
        as if the key did not have it.

        Raises:
            TokenLost: the token failed to tell of one.
        """
        told = self.handle.get_attributes(list(METHODS.values()))
        for name, attribute in METHODS.items():
            if told.get(attribute) and not self.may(name):
                raise TokenLost(f"the token failed to tell of CKA_{attribute.name}")
