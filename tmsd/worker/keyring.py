"""Finding the token's keys by label and version, once each."""

from hsm.cmac import cmac
from hsm.errors import KeyNotFound, KeyUnsuitable
from hsm.keys import (
    DES2,
    DES3,
    SECRET_16,
    SECRET_24,
    SECRET_32,
    SHAPES,
    KeyReference,
    KeyShape,
    TokenKey,
)
from hsm.token import Token
from tmsd.config.key_sets import KeyAlgorithm, KeySet
from tmsd.config.reserved_keys import SERVICE_KEYS
from tmsd.config.transport_keys import TransportKey
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.diversification import EXPOSED_SCHEMES, Role

_ALLOWED: dict[KeyAlgorithm, tuple[KeyShape, ...]] = {
    KeyAlgorithm.DES3: (DES2, DES3),
    **{
        algorithm: tuple(shape for shape in SHAPES if shape.is_aes and shape.length == length)
        for algorithm, length in (
            (KeyAlgorithm.AES128, 16),
            (KeyAlgorithm.AES192, 24),
            (KeyAlgorithm.AES256, 32),
        )
    },
}


class Keyring:
    """The handles of persistent keys; they hold for as long as the token is there."""

    def __init__(self, token: Token) -> None:
        self._token = token
        self._found: dict[KeyReference, TokenKey] = {}

    def master_key(self, key_set: KeySet, version: int, role: Role) -> TokenKey:
        """Return the master key of a version of a key set, for one of the card's keys.

        Raises:
            ServiceError: `key-missing`: it is not in the token, or it is there twice, or it
                is not of the key set's algorithm.
        """
        reference = KeyReference(key_set.labels[role], version)
        try:
            key = self._find(reference)
        except (KeyNotFound, KeyUnsuitable) as error:
            raise _missing(key_set, version, str(error)) from error
        if key.shape not in _shapes(key_set):
            raise _missing(key_set, version, f"{reference} is not of {key_set.algorithm}")
        return key

    def service_mac(self, label: str, version: int, data: bytes) -> bytes:
        """Return the 16-byte CMAC of `data` under one of the daemon's own keys.

        Raises:
            KeyNotFound: there is no such key.
        """
        return cmac(self._find(KeyReference(label, version)), data)

    def latest_version(self, label: str) -> int:
        """Return the highest version of one of the daemon's own keys.

        Raises:
            KeyNotFound: there is none.
        """
        versions = [reference.version for reference, _ in self._token.list_keys(label)]
        if not versions:
            raise KeyNotFound(
                f"key {label!r} is not in the token; make it with tmsctl key generate --service"
            )
        return max(versions)

    def transport_key(self, key: TransportKey) -> TokenKey:
        """Return a transport key.

        Raises:
            ServiceError: `key-missing`.
        """
        reference = KeyReference(key.label, key.version)
        try:
            found = self._find(reference)
        except (KeyNotFound, KeyUnsuitable) as error:
            raise ServiceError(
                Code.KEY_MISSING, f"transport key {key.name} cannot be used: {error}"
            ) from error
        if found.shape not in _ALLOWED[key.algorithm]:
            raise ServiceError(
                Code.KEY_MISSING,
                f"transport key {key.name} cannot be used: {reference} is not of {key.algorithm}",
            )
        return found

    def _find(self, reference: KeyReference) -> TokenKey:
        if reference not in self._found:
            try:
                self._found[reference] = self._token.find_key(reference)
            except KeyNotFound:
                self._require_token()
                raise
        return self._found[reference]

    def _require_token(self) -> None:
        """Tell a missing key from a token that vanished, whose search finds nothing either.

        Raises:
            TokenLost: a key that was there is gone as well.
        """
        for reference, key in self._found.items():
            if reference.label in SERVICE_KEYS:
                cmac(key, b"")
                return


def _shapes(key_set: KeySet) -> tuple[KeyShape, ...]:
    if key_set.diversification in EXPOSED_SCHEMES:
        return (SECRET_16, SECRET_24, SECRET_32)
    return _ALLOWED[key_set.algorithm]


def _missing(key_set: KeySet, version: int, reason: str) -> ServiceError:
    return ServiceError(
        Code.KEY_MISSING, f"version {version} of key set {key_set.name} cannot be used: {reason}"
    )
