"""Step: generate the keys that serve the daemon itself, or one of them in its next version."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from hsm import importing
from hsm.attributes import SERVICE_MAC_KEY, SERVICE_MAC_KEY_IN_STEPS
from hsm.capabilities import signs_aes_cmac
from hsm.keys import AES_256, KeyReference
from hsm.token import Token
from tmsd.ceremony.described_key import DescribedKey, describe
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts, Step
from tmsd.config.reserved_keys import SERVICE_KEYS

_LAST_VERSION = 0xFF  # CKA_ID is one byte


class GenerateServiceKeys(Step):
    """`generate-service-keys`: those of a version that the token does not have yet.

    Attributes:
        version: of all of them, 1 to 255.
    """

    do: Literal["generate-service-keys"]
    version: Annotated[int, Field(ge=1, le=_LAST_VERSION)] = 1

    def said(self) -> Iterator[str]:
        """Yield what is generated."""
        yield f"Generate the daemon's own keys, version {self.version}: {', '.join(SERVICE_KEYS)}."
        yield "They never leave the token; another token gets its own."

    def perform(self, room: Room) -> Facts:
        """Generate those that are missing."""
        with room.token() as token:
            missing = [key for key in self._keys if not token.find_keys(key)]
            if not missing:
                raise Refused(f"the token has all of the daemon's keys of version {self.version}")
            for reference in missing:
                _generate(token, reference)
        return self._facts()

    def found(self, room: Room) -> Facts | None:
        """Return the keys, if all are there."""
        with room.token() as token:
            there = all(token.find_keys(key) for key in self._keys)
        return self._facts() if there else None

    @property
    def _keys(self) -> tuple[KeyReference, ...]:
        return tuple(KeyReference(label, self.version) for label in SERVICE_KEYS)

    def _facts(self) -> Facts:
        return {"keys": ", ".join(f"{key.label}:{key.version}" for key in self._keys)}


def generate_service_key(token: Token, label: str) -> DescribedKey:
    """Generate the next version of one of the daemon's own keys: AES-256, for MACs alone.

    Args:
        token: opened writable.
        label: one of tmsd.config.reserved_keys.SERVICE_KEYS.

    Raises:
        Refused: it is none of them, or all versions are used up.
        HsmError: the token refuses.
    """
    if label not in SERVICE_KEYS:
        raise Refused(f"{label!r} is not one of the daemon's keys: {', '.join(SERVICE_KEYS)}")
    versions = [reference.version for reference, _ in token.list_keys(label)]
    version = max(versions, default=0) + 1
    if version > _LAST_VERSION:
        raise Refused(f"{KeyReference(label, _LAST_VERSION)} is the last that can be")
    return _generate(token, KeyReference(label, version))


def generate_service_keys(token: Token) -> tuple[DescribedKey, ...]:
    """Generate the next version of each of the daemon's own keys.

    Raises:
        Refused, HsmError: as generate_service_key does.
    """
    return tuple(generate_service_key(token, label) for label in SERVICE_KEYS)


def _generate(token: Token, reference: KeyReference) -> DescribedKey:
    template = SERVICE_MAC_KEY if signs_aes_cmac(token) else SERVICE_MAC_KEY_IN_STEPS
    return describe(reference, importing.generate_key(token, reference, AES_256, template))
