"""Step: generate a key pair that signs; its private half never exists outside the token."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from hsm import key_pairs
from hsm.errors import MechanismUnavailable
from hsm.identity import key_pair_identity
from hsm.key_pair_wrapping import require_wrappable
from hsm.public_keys import KeyPairAlgorithm
from hsm.token import Token
from tmsd.ceremony.described_key_pair import DescribedKeyPair, describe_key_pair
from tmsd.ceremony.key_pair_step import KeyPairStep
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.signing_key import WantedKeyPair
from tmsd.ceremony.step import Facts
from tmsd.ceremony.wanted_key import Backup
from tmsd.config.table import TOML


class Signer(StrEnum):
    """Whose key pair it is, as scripts say it."""

    CA = "ca"
    RESPONDER = "responder"


_SIGNS: Mapping[Signer, str] = {
    Signer.CA: "certificates and CRLs",
    Signer.RESPONDER: "OCSP responses",
}


class GenerateKeyPair(KeyPairStep):
    """`generate-key-pair`.

    Attributes:
        algorithm: what it is a key pair of.
        signer: whose it is: a CA's or its responder's.
        backup: whether it can be backed up under the key that the quorum holds.
    """

    do: Literal["generate-key-pair"]
    algorithm: Annotated[KeyPairAlgorithm, TOML]
    signer: Annotated[Signer, TOML, Field(alias="for", description="ca or responder")]
    backup: Annotated[Backup, TOML] = Backup.NONE

    def said(self) -> Iterator[str]:
        """Yield what is generated."""
        yield f"Generate {self.name}, {self.algorithm}, which signs {_SIGNS[self.signer]}."
        if self.backup is Backup.NONE:
            yield "Its private half never leaves the token, and ends with it: there is no backup."
        else:
            yield "Its private half can be backed up under the backup key. For that it is"
            yield "extractable: whoever has the login to the token can take it out under a key of"
            yield "their own."

    def perform(self, room: Room) -> Facts:
        """Generate it."""
        wanted = WantedKeyPair(self.reference, _SIGNS[self.signer])
        with room.token() as token:
            made = generate_key_pair(token, wanted, self.algorithm, self.backup)
            return self._facts(made)

    def found(self, room: Room) -> Facts | None:
        """Return the key pair that is there; a public half alone goes, and it is made anew."""
        with room.token() as token:
            key_pairs.drop_lone_public_half(token, self.reference)
            if self.reference not in key_pairs.list_key_pairs(token):
                return None
            return self._facts(describe_key_pair(token, self.reference))

    def _facts(self, described: DescribedKeyPair) -> Facts:
        """Return what the minutes say of the key pair.

        Raises:
            Refused: it is not as the script has it.
        """
        identity = described.identity
        if identity is None:
            raise Refused(f"{self.name} is in the token, but {described.fault}")
        if identity.algorithm is not self.algorithm:
            raise Refused(f"{self.name} is in the token, and of {identity.algorithm}")
        return {
            "key_pair": self.key,
            "algorithm": str(identity.algorithm),
            "signs": _SIGNS[self.signer],
            "backup": str(self.backup),
            "public_key_sha256": identity.spki_sha256.hex(),
        }


def generate_key_pair(
    token: Token,
    pair: WantedKeyPair,
    algorithm: KeyPairAlgorithm,
    backup: Backup = Backup.NONE,
) -> DescribedKeyPair:
    """Generate a key pair, and have it sign once; one that cannot is not left behind.

    Args:
        token: opened writable.
        pair: what to make.
        algorithm: what it shall be a key pair of.
        backup: whether it can be backed up.

    Raises:
        KeyExists: the label and version are taken.
        MechanismUnavailable: the token makes no such key pairs, or does not sign with them, or
            does not wrap those that shall be backed up.
        HsmError: the token refuses.
    """
    extractable = backup is Backup.QUORUM
    made = key_pairs.generate_key_pair(token, pair.reference, algorithm, extractable=extractable)
    try:
        if extractable:
            require_wrappable(token, made)
        return DescribedKeyPair(pair.reference, key_pair_identity(made), fault=None)
    except MechanismUnavailable:
        key_pairs.destroy_key_pair(token, pair.reference)
        raise
