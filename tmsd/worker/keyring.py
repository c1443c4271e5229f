"""Finding the token's keys by label and version, once each."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from hsm.cmac import service_cmac
from hsm.errors import HsmError, KeyChanged, KeyNotFound, KeyUnsuitable, TokenLost
from hsm.identity import KeyIdentity, KeyPairIdentity, identity, key_pair_identity
from hsm.key_pairs import KeyPair, find_key_pair
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


@dataclass(frozen=True, slots=True)
class PairName:
    """How a key pair is found; a secret key may have the same label and version."""

    reference: KeyReference

    def __str__(self) -> str:
        return f"key pair {self.reference.label!r} version {self.reference.version}"


KeyName = KeyReference | PairName
Identities = Mapping[KeyName, KeyIdentity | KeyPairIdentity]


class Keyring:
    """The handles of persistent keys, for one generation of the token.

    Attributes:
        identities: what each key was when it was found first.
    """

    def __init__(self, token: Token) -> None:
        self._token = token
        self._found: dict[KeyReference, TokenKey] = {}
        self._pairs: dict[PairName, KeyPair] = {}
        self._identities: dict[KeyName, KeyIdentity | KeyPairIdentity] = {}

    @property
    def identities(self) -> Identities:
        """What each key that was found is."""
        return self._identities

    def look_for(self, names: Iterable[KeyName]) -> None:
        """Find keys before anybody asks for them; those that are not there stay unknown."""
        for name in names:
            with suppress(KeyNotFound, KeyUnsuitable):
                self._find_either(name)

    def require(self, before: Identities, gone: Collection[KeyName]) -> None:
        """Find keys again, and make sure that they are the same keys.

        Args:
            before: what was known of the keys.
            gone: those that need not be there; if they come back, it must be as they were.

        Raises:
            KeyChanged: one is gone, or another; the message names it.
        """
        for name, known in before.items():
            try:
                self._find_either(name)
            except (KeyNotFound, KeyUnsuitable) as error:
                if name in gone and isinstance(error, KeyNotFound):
                    self._identities[name] = known
                    continue
                raise KeyChanged(f"{error}, and it was before the token was lost") from error
            if self._identities[name] != known:
                raise KeyChanged(f"{name} is another key than before the token was lost")

    def probe(self) -> None:
        """Make sure that the token is there: by a key that is held, and by a search for it.

        Neither random bytes nor session keys notice that a token vanished, and a search that
        finds nothing raises nothing (SoftHSM 2.6). A key pair is asked where there is no key of
        the daemon's own.

        Raises:
            TokenLost: it is not.
        """
        for reference, key in self._service_keys():
            self._probe_key(reference, key)
            return
        for name, pair in self._pairs.items():
            self._probe_pair(name, pair)
            return
        raise TokenLost("no key is held that the token could be asked by")

    def _probe_key(self, reference: KeyReference, held: TokenKey) -> None:
        if identity(self._token, held) != self._identities[reference]:
            raise TokenLost(f"{reference} does not compute what it did")
        found = self._token.find_keys(reference)
        if len(found) != 1 or identity(self._token, found[0]) != self._identities[reference]:
            raise TokenLost(f"{reference} is not found again: {len(found)} keys have its name")

    def _probe_pair(self, name: PairName, held: KeyPair) -> None:
        try:
            key_pair_identity(held)
            found = find_key_pair(self._token, name.reference)
        except (KeyNotFound, KeyUnsuitable) as error:
            raise TokenLost(f"{name} is not what it was: {error}") from error
        if found.public_key != held.public_key:
            raise TokenLost(f"{name} is not found again, but another")

    def renew_void_handles(self) -> set[KeyName]:
        """Find keys anew whose handles the token does not know any more, though it is there.

        A ceremony that destroys a key and puts it back leaves such a handle.

        Returns:
            The keys that are not found either. They were destroyed, or they were used while the
            token was away for a moment: SoftHSM 2.6 finds those in another generation alone.

        Raises:
            TokenLost: it is not there, after all.
        """
        gone: set[KeyName] = set()
        for reference, held in tuple(self._found.items()):
            try:
                identity(self._token, held)
            except HsmError:
                del self._found[reference]
                with suppress(KeyUnsuitable):  # as whoever asks for it is told
                    if not self._token.find_keys(reference):
                        gone.add(reference)
        for name, pair in tuple(self._pairs.items()):
            try:
                key_pair_identity(pair)
            except HsmError:
                del self._pairs[name]
                try:
                    find_key_pair(self._token, name.reference)
                except KeyNotFound:
                    gone.add(name)
                except KeyUnsuitable:
                    continue  # as whoever asks for it is told
        return gone

    def _service_keys(self) -> Iterator[tuple[KeyReference, TokenKey]]:
        for reference, key in self._found.items():
            if reference.label in SERVICE_KEYS:
                yield reference, key

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
        return service_cmac(self._find(KeyReference(label, version)), data)

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

    def key_pair(self, reference: KeyReference) -> KeyPair:
        """Return a key pair of a CA or a responder.

        Raises:
            ServiceError: `key-missing`.
        """
        try:
            return self._find_pair(PairName(reference))
        except (KeyNotFound, KeyUnsuitable) as error:
            raise ServiceError(Code.KEY_MISSING, f"a key cannot be used: {error}") from error

    def _find_either(self, name: KeyName) -> None:
        if isinstance(name, PairName):
            self._find_pair(name)
        else:
            self._find(name)

    def _find_pair(self, name: PairName) -> KeyPair:
        if name not in self._pairs:
            try:
                found = find_key_pair(self._token, name.reference)
            except KeyNotFound:
                self._require_token()
                raise
            self._require_known(name, key_pair_identity(found))
            self._pairs[name] = found
        return self._pairs[name]

    def _find(self, reference: KeyReference) -> TokenKey:
        found = self._found.get(reference)
        if found is None:
            try:
                found = self._token.find_key(reference)
            except KeyNotFound:
                self._require_token()
                raise
            self._require_known(reference, identity(self._token, found))
            self._found[reference] = found
        return found

    def _require_known(self, name: KeyName, now: KeyIdentity | KeyPairIdentity) -> None:
        if self._identities.setdefault(name, now) != now:
            raise KeyChanged(f"{name} is another key than when it was found first")

    def _require_token(self) -> None:
        """Tell a missing key from a token that vanished, whose search finds nothing either.

        Raises:
            TokenLost: a key that was there is gone as well.
        """
        for _, key in self._service_keys():
            service_cmac(key, b"")
            return
        for pair in self._pairs.values():
            key_pair_identity(pair)
            return


def _shapes(key_set: KeySet) -> tuple[KeyShape, ...]:
    if key_set.diversification in EXPOSED_SCHEMES:
        return (SECRET_16, SECRET_24, SECRET_32)
    return _ALLOWED[key_set.algorithm]


def _missing(key_set: KeySet, version: int, reason: str) -> ServiceError:
    return ServiceError(
        Code.KEY_MISSING, f"version {version} of key set {key_set.name} cannot be used: {reason}"
    )
