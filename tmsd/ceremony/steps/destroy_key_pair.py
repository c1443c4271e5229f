"""Step: destroy both halves of a key pair for good, after saying which one it is."""

from collections.abc import Iterator
from typing import Literal

from hsm import key_pairs
from hsm.public_keys import spki_sha256
from hsm.token import Token
from hsm.unwrapping_pairs import find_unwrapping_pair, unwraps
from tmsd.ceremony.described_key_pair import DescribedKeyPair, describe_key_pair
from tmsd.ceremony.destruction_refusal import DestructionRefused, DestructionRule
from tmsd.ceremony.key_pair_step import KeyPairStep
from tmsd.ceremony.room import Room
from tmsd.ceremony.signing_key import WantedKeyPair
from tmsd.ceremony.step import Facts
from tmsd.config.values import Sha256


class DestroyKeyPair(KeyPairStep):
    """`destroy-key-pair`.

    Attributes:
        public_key_sha256: of its SubjectPublicKeyInfo; None for one that is broken, so that nobody
            can tell.
    """

    do: Literal["destroy-key-pair"]
    public_key_sha256: Sha256 | None = None

    def said(self) -> Iterator[str]:
        """Yield what is destroyed."""
        yield f"Destroy {self.name}, {_said(self.public_key_sha256)}, for good."
        yield "What it signed can be verified further on. It signs nothing any more: no"
        yield "certificate, no CRL, and no answer."

    def perform(self, room: Room) -> Facts:
        """Destroy it, once its public key is what the script expects."""
        with room.token() as token:
            found = _public_key_sha256(token, self)
            # The key pair of a rehearsal is made up.
            if found != self.public_key_sha256 and not room.rehearsal:
                raise DestructionRefused(
                    DestructionRule.KEY_NOT_THE_EXPECTED,
                    f"{self.name} has {_said(found)}, and the script expects "
                    f"{_said(self.public_key_sha256)}",
                )
            key_pairs.destroy_key_pair(token, self.reference)
        return self._facts()

    def found(self, room: Room) -> Facts | None:
        """Return that both halves are gone."""
        with room.token() as token:
            there = self.reference in key_pairs.list_key_pairs(token)
        return None if there else self._facts()

    def _facts(self) -> Facts:
        facts = {"destroyed": self.key}
        known = self.public_key_sha256
        return facts | {"public_key_sha256": known} if known else facts


def _public_key_sha256(token: Token, step: DestroyKeyPair) -> str | None:
    """Return the SHA-256 of the public key, also where its private half is gone already.

    Raises:
        KeyNotFound: neither half is in the token.
        HsmError: the token refuses.
    """
    if unwraps(token, step.reference):
        return spki_sha256(find_unwrapping_pair(token, step.reference).public_key).hex()
    identity = describe_key_pair(token, step.reference).identity
    if identity is not None:
        return identity.spki_sha256.hex()
    alone = key_pairs.lone_public_key(token, step.reference)
    return None if alone is None else spki_sha256(alone).hex()


def _said(public_key_sha256: str | None) -> str:
    if public_key_sha256 is None:
        return "no public key that could be told"
    return f"the public key with SHA-256 {public_key_sha256}"


def destroy_key_pair(token: Token, pair: WantedKeyPair) -> DescribedKeyPair:
    """Destroy the key pair, or the half that is left of it, and return what it was.

    Args:
        token: opened writable.
        pair: which one.

    Raises:
        KeyNotFound: neither half is in the token, or one is there twice.
        HsmError: the token refuses.
    """
    described = describe_key_pair(token, pair.reference)
    key_pairs.destroy_key_pair(token, pair.reference)
    return described
