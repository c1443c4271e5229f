"""What steps that make a secret key have in common: which key it is, and finding it again."""

from abc import ABC
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from hsm.keys import KeyReference
from tmsd.ceremony.described_key import DescribedKey, algorithm_name, describe
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts, Step
from tmsd.ceremony.wanted_key import Backup, Purpose, WantedKey
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.reserved_keys import KeyLabel
from tmsd.config.table import TOML
from tmsd.config.toml import Complaint


class KeyPurpose(StrEnum):
    """What a key is for, as scripts say it."""

    MASTER = "master"
    UNDIVERSIFIED = "undiversified"
    HMAC_MASTER = "hmac-master"
    TRANSPORT = "transport"
    ZONE_MASTER = "zone-master"
    KEY_BLOCK_PROTECTION = "key-block-protection"

    @property
    def is_of_zone(self) -> bool:
        """Whether other keys arrive under it, and a card maker has it as well."""
        return self in (KeyPurpose.ZONE_MASTER, KeyPurpose.KEY_BLOCK_PROTECTION)


_PURPOSES: Mapping[KeyPurpose, Purpose] = {
    KeyPurpose.MASTER: Purpose.MASTER,
    KeyPurpose.UNDIVERSIFIED: Purpose.UNDIVERSIFIED,
    KeyPurpose.HMAC_MASTER: Purpose.HMAC_MASTER,
    KeyPurpose.TRANSPORT: Purpose.TRANSPORT,
    KeyPurpose.ZONE_MASTER: Purpose.ZONE_MASTER,
    KeyPurpose.KEY_BLOCK_PROTECTION: Purpose.KEY_BLOCK_PROTECTION,
}


class KeyStep(Step, ABC):
    """A step that makes one secret key.

    Attributes:
        label: of the key in the token.
        version: 1 to 255.
        algorithm: what it is a key of.
        purpose: what it is for; with its attributes it can do nothing else.
        factory: whether it may be one of the keys that card makers publish.
        backup: whether it can be backed up under the key that the quorum holds.
    """

    label: KeyLabel
    version: Annotated[int, Field(ge=1, le=255)]
    algorithm: Annotated[KeyAlgorithm, TOML]
    purpose: Annotated[KeyPurpose, TOML] = KeyPurpose.MASTER
    factory: bool = False
    backup: Annotated[Backup, TOML] = Backup.NONE

    def complaints(self) -> Iterator[Complaint]:
        """Yield what a key that card makers have as well cannot be."""
        yield from super().complaints()
        if self.purpose is KeyPurpose.ZONE_MASTER and self.algorithm is KeyAlgorithm.DES3:
            yield Complaint(
                ("algorithm",),
                "must be AES, as AES key wrap takes it: "
                "under triple DES there are key blocks alone (key-block-protection)",
            )
        if self.purpose.is_of_zone and self.backup is not Backup.NONE:
            yield Complaint(("backup",), "must be none: the card maker has the key as well")

    @property
    def key(self) -> WantedKey:
        """The key that is made."""
        return WantedKey(
            KeyReference(self.label, self.version),
            self.algorithm,
            _PURPOSES[self.purpose],
            self.factory,
            self.backup,
        )

    @property
    def described(self) -> str:
        """The key in words, as `key 'pilot' version 1, aes256, which derives the cards' keys`."""
        key = self.key
        return f"{key.reference}, {key.algorithm}, which {key.purpose.value}"

    def said_of_backup(self) -> Iterator[str]:
        """Yield what becomes of the key when the token is lost."""
        if self.backup is Backup.NONE:
            yield "It never leaves the token, and ends with it: there is no backup of it."
        else:
            yield "It can be backed up under the backup key. For that it is extractable:"
            yield "whoever has the login to the token can take it out under a key of their own."

    def facts(self, made: DescribedKey) -> Facts:
        """Return what the minutes say of a key."""
        facts: dict[str, str | int | bool] = {
            "key": f"{made.reference.label}:{made.reference.version}",
            "algorithm": algorithm_name(made.shape),
            "purpose": str(self.purpose),
            "backup": str(self.backup),
        }
        if made.check_value is not None:
            facts["kcv"] = made.check_value.hex()
        return facts

    def facts_of_combined(
        self, facts: Facts, custodians: Sequence[str], check_values: Sequence[str] = ()
    ) -> Facts:
        """Return what the minutes say of a key that was combined from components.

        Args:
            facts: of the key.
            custodians: who had a component each.
            check_values: of the components, in hex; none after an interruption.
        """
        return {
            **facts,
            "custodians": ", ".join(custodians),
            "kcvs_of_components": ", ".join(check_values) or "were not on record yet",
            "exception": "the key was in the clear in memory while it was combined",
        }

    def found_in_token(self, room: Room) -> Facts | None:
        """Return what the minutes say of the key if it is in the token.

        Raises:
            Refused: there is another one in its place.
            HsmError: the token refuses.
        """
        key = self.key
        with room.token() as token:
            found = token.find_keys(key.reference)
            if not found:
                return None
            if len(found) > 1 or found[0].shape not in key.token_shapes:
                raise Refused(f"{key.reference} is in the token, and not as the script has it")
            return self.facts(describe(key.reference, found[0]))
