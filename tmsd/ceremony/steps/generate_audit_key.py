"""Step: generate the token's audit key, which signs minutes of ceremonies beside the officers."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from hsm import key_pairs
from hsm.keys import KeyReference
from hsm.public_keys import KeyPairAlgorithm
from tmsd.ceremony.described_key_pair import DescribedKeyPair, describe_key_pair
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.signing_key import WantedKeyPair
from tmsd.ceremony.step import Facts, Step
from tmsd.ceremony.steps.generate_key_pair import generate_key_pair
from tmsd.config.reserved_keys import AUDIT_KEY


class GenerateAuditKey(Step):
    """`generate-audit-key`.

    Attributes:
        version: 1 to 255; the highest that is there signs.
    """

    do: Literal["generate-audit-key"]
    version: Annotated[int, Field(ge=1, le=255)] = 1

    def said(self) -> Iterator[str]:
        """Yield what is generated."""
        yield f"Generate the token's audit key, {AUDIT_KEY} version {self.version}, p256."
        yield "It signs the close of these minutes, and of those to come, beside the officers."

    def perform(self, room: Room) -> Facts:
        """Generate it."""
        with room.token() as token:
            wanted = WantedKeyPair(self._reference, "the minutes of ceremonies")
            return self._facts(generate_key_pair(token, wanted, KeyPairAlgorithm.P256))

    def found(self, room: Room) -> Facts | None:
        """Return the key pair that is there; a public half alone goes, and it is made anew."""
        with room.token() as token:
            key_pairs.drop_lone_public_half(token, self._reference)
            if self._reference not in key_pairs.list_key_pairs(token):
                return None
            return self._facts(describe_key_pair(token, self._reference))

    @property
    def _reference(self) -> KeyReference:
        return KeyReference(AUDIT_KEY, self.version)

    def _facts(self, described: DescribedKeyPair) -> Facts:
        if described.identity is None:
            raise Refused(f"{self._reference} is in the token, but {described.fault}")
        return {
            "key_pair": f"{AUDIT_KEY}:{self.version}",
            "algorithm": str(described.identity.algorithm),
            "public_key_sha256": described.identity.spki_sha256.hex(),
        }
