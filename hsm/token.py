"""A token with somebody logged in: finding keys, random bytes, and operation scopes."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, ObjectClass
from pkcs11.exceptions import AttributeTypeInvalid

from hsm.direct import Direct
from hsm.errors import KeyNotFound, KeyUnsuitable, PinRefused, TokenNotFound, hsm_errors
from hsm.keys import SHAPES, KeyReference, TokenKey
from hsm.lengths import length_by_wrapping
from hsm.module import TokenAddress, find_token, load_module
from hsm.operation import Operation
from hsm.secret import Secret

_LENGTHS_VARY = (KeyType.AES, KeyType.GENERIC_SECRET)


class Token:
    """One session on one token, logged in as its user; for one thread.

    Attributes:
        session: python-pkcs11's.
        direct: the way past it, for what is done most; None where there is none.
        objects_made: how many session objects operations made in it, for SoftHSM keeps some
            memory of each until it is finalized.
        abandoned: the module was or is being restarted: no handle from before may be used,
            closed or destroyed, as its number may be another's.
    """

    def __init__(self, session: pkcs11.Session, direct: Direct | None = None) -> None:
        self.session = session
        self.direct = direct
        self.objects_made = 0
        self.abandoned = False

    def operation(self) -> Operation:
        """Begin an operation; the handles that it makes are destroyed with it."""
        return Operation(self)

    @hsm_errors
    def random(self, length: int) -> bytes:
        """Return `length` bytes of the token's random number generator."""
        return bytes(self.session.generate_random(length * 8))

    @property
    def label(self) -> str:
        """The token's label, up to 32 characters."""
        return str(self.session.token.label).strip("\0 ")

    @property
    def serial(self) -> str:
        """The token's serial number, up to 16 characters."""
        return bytes(self.session.token.serial).decode("ascii", "replace").strip("\0 ")

    def find_key(self, reference: KeyReference) -> TokenKey:
        """Return the one secret key with this label and id.

        Raises:
            KeyNotFound: there is none, or more than one.
            KeyUnsuitable: it is neither an AES, a triple DES nor a generic key.
            TokenLost: the token is gone.
        """
        keys = self.find_keys(reference)
        if len(keys) != 1:
            count = f"{len(keys)} keys fit" if keys else "it is not in the token"
            raise KeyNotFound(f"{reference}: {count}")
        return keys[0]

    @hsm_errors
    def find_keys(self, reference: KeyReference) -> list[TokenKey]:
        """Return all secret keys with this label and id; a token does not keep them unique."""
        template = {Attribute.LABEL: reference.label, Attribute.ID: reference.id}
        return [self.known_key(reference, handle) for handle in self._search(template)]

    @hsm_errors
    def list_keys(self, label: str | None = None) -> list[tuple[KeyReference, TokenKey]]:
        """Return the persistent secret keys with a one-byte id, by label and version.

        Args:
            label: whose keys; None for every label's.

        Raises:
            KeyUnsuitable: one of them is neither an AES, a triple DES nor a generic key.
        """
        keys = []
        labelled = {} if label is None else {Attribute.LABEL: label}
        for handle in self._search({Attribute.TOKEN: True, **labelled}):
            key_id = bytes(handle[Attribute.ID])
            if len(key_id) == 1:
                reference = KeyReference(handle[Attribute.LABEL], key_id[0])
                keys.append((reference, self.known_key(reference, handle)))
        return sorted(keys, key=lambda key: (key[0].label, key[0].version))

    def _search(self, template: dict[Attribute, Any]) -> list[Any]:
        return list(self.session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, **template}))

    @hsm_errors
    def known_key(self, reference: KeyReference, handle: Any) -> TokenKey:  # noqa: ANN401  see TokenKey
        """Return a secret key's handle with what it is.

        Raises:
            KeyUnsuitable: it is neither an AES, a triple DES nor a generic key, or of no known
                length.
        """
        key_type = handle[Attribute.KEY_TYPE]
        length = self.length_of(handle) if key_type in _LENGTHS_VARY else None
        for shape in SHAPES:
            if shape.key_type is key_type and length in (None, shape.length):
                direct = self.direct.key_of(handle) if self.direct else None
                key = TokenKey(handle, shape, direct)
                key.require_whole()
                return key
        if length == 0:
            raise KeyUnsuitable(f"{reference}: the token does not tell its length")
        raise KeyUnsuitable(f"{reference}: it is neither an AES, a triple DES nor a generic key")

    @hsm_errors
    def length_of(self, handle: Any) -> int:  # noqa: ANN401  see TokenKey
        """Return how long an AES or a generic key is, in bytes; 0 where nothing tells."""
        # openCryptoki 3.8 has none of an AES key that was brought to it.
        with suppress(AttributeTypeInvalid):
            if length := handle[Attribute.VALUE_LEN]:
                return int(length)
        with self.operation() as operation:
            return length_by_wrapping(operation, handle) or 0


@contextmanager
def open_token(address: TokenAddress, pin: Secret, *, writable: bool = False) -> Iterator[Token]:
    """Load the module, find the token and log in as its user; log out at the end.

    Args:
        address: which token.
        pin: the user PIN; it is wiped as soon as the token has seen it.
        writable: whether persistent keys may be made and destroyed.

    Raises:
        ModuleUnavailable, TokenNotFound, PinRefused, TokenLost: as they say.
    """
    found = find_token(load_module(address.module, address.environment), address)
    token = log_in(found, address, pin, writable=writable)
    try:
        yield token
    finally:
        close(token)


def log_in(
    found: pkcs11.Token, address: TokenAddress, pin: Secret, *, writable: bool = False
) -> Token:
    """Log in to a token that was found; the PIN is wiped as soon as the token has seen it.

    Raises:
        PinRefused, TokenLost: as they say.
        TokenNotFound: it has no user yet, because its initialisation was interrupted.
    """
    try:
        return _login(found, address, pin, writable)
    except TokenNotFound as error:
        raise TokenNotFound(
            f"{address} has no user PIN: it is not initialised to its end"
        ) from error
    except PinRefused as error:
        raise PinRefused(f"{address} refused the PIN; correct it before the next try") from error


@hsm_errors
def _login(token: pkcs11.Token, address: TokenAddress, pin: Secret, writable: bool) -> Token:
    with pin as value:
        session = token.open(rw=writable, user_pin=value.decode())
    return Token(session, Direct.of(session, address.module))


@hsm_errors
def close(token: Token) -> None:
    """Close the session, which logs out; not that of an abandoned token."""
    if not token.abandoned:
        token.session.close()
