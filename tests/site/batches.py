"""Cards of one key set each: one batch for every kind of key set that a policy can have."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.virtual_token.card import Card
from tests.virtual_token.keys import KeySet, diversify
from tests.virtual_token.memory import NonVolatileMemory
from tests.virtual_token.personalisation import personalise

FACTORY_KEY = bytes(range(0x40, 0x50))


@dataclass(frozen=True, slots=True)
class Batch:
    """A key set of the site's policy, and what its cards were personalised from.

    Attributes:
        key_set: its name, which is also the label of its master keys.
        scp: the protocol of the cards.
        i: their implementation options.
        algorithm: of master keys and card keys, as the policy spells it.
        diversification: the scheme.
        master: the master key.
        key_version: of the cards.
        versions: as the policy spells them, in TOML.
        settings: further lines of the policy.
        imported: the versions under which the token has the master key.
        other_masters: the master keys of versions that have another one.
        upgrade_i: what AES keys in place of others make of the cards, if they take them.
    """

    key_set: str
    scp: int
    i: int
    algorithm: str
    diversification: str
    master: bytes = field(repr=False)
    key_version: int = 1
    versions: str = '{1 = "active"}'
    settings: str = ""
    imported: tuple[int, ...] = (1,)
    other_masters: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    upgrade_i: int | None = None

    @property
    def challenge_length(self) -> int:
        """How long host challenges for the cards are, in bytes."""
        return 16 if self.scp == 0x03 and self.i & 0x01 else 8

    @property
    def table(self) -> str:
        """The key set in policy.toml."""
        undiversified = "undiversified = true\n" if self.diversification == "none" else ""
        return (
            f"[key_sets.{self.key_set}]\n"
            f'scp = "{self.scp:02x}"\n'
            f'algorithm = "{self.algorithm}"\n'
            f'diversification = "{self.diversification}"\n'
            f'scp_i = ["{self.i:02x}"]\n'
            f"versions = {self.versions}\n{undiversified}{self.settings}\n"
        )

    def master_of(self, version: int) -> bytes:
        """Return the master key of a version."""
        return self.other_masters.get(version, self.master)

    def keys(self, data: bytes, version: int) -> KeySet:
        """Return the keys of a card with this diversification data, 10 bytes."""
        return diversify(self.diversification, self.master_of(version), data, version)

    def card(self, memory: NonVolatileMemory | None = None) -> Card:
        """Return a card of this batch that there was not before."""
        return self._card(secrets.token_bytes(10), None, memory)

    def card_by_cuid(self, cuid: bytes) -> Card:
        """Return a card whose keys come from its 10-byte CUID, and not from its KDD."""
        return self._card(secrets.token_bytes(10), cuid, None)

    def _card(self, kdd: bytes, cuid: bytes | None, memory: NonVolatileMemory | None) -> Card:
        profile = personalise(
            self.master_of(self.key_version),
            kdd,
            diversification=self.diversification,
            scp=self.scp,
            i=self.i,
            key_version=self.key_version,
            cuid=cuid,
            by_cuid=cuid is not None,
            upgrade_i=self.upgrade_i,
        )
        return Card(profile, memory)


def aes_batch(name: str, bits: int, i: int, diversification: str, first_byte: int) -> Batch:
    """Return a batch of SCP03 whose master key counts up from a first byte."""
    master = bytes(range(first_byte, first_byte + bits // 8))
    return Batch(name, 0x03, i, f"aes{bits}", diversification, master)


def des_batch(
    name: str, diversification: str, first_byte: int, scp: int = 0x02, i: int = 0x15
) -> Batch:
    """Return a batch of SCP01 or SCP02, likewise."""
    master = bytes(range(first_byte, first_byte + 16))
    return Batch(name, scp, i, "des3", diversification, master)


AES128 = aes_batch("aes128", 128, 0x70, "kdf3", 0x50)
AES192 = aes_batch("aes192", 192, 0x00, "kdf3", 0x60)
AES256 = aes_batch("aes256", 256, 0x60, "kdf3", 0x80)
AES_SHARED = aes_batch("aes-shared", 128, 0x30, "none", 0xA0)
DES_VISA2 = des_batch("des-visa2", "visa2", 0xB0)
DES_EMV = des_batch("des-emv", "emv", 0xC0)
DES_SHARED = des_batch("des-shared", "none", 0xD0)

AES_S16 = aes_batch("aes-s16", 256, 0x71, "kdf3", 0x30)
DES_R_MAC = des_batch("des-r-mac", "visa2", 0xE0, i=0x35)
SCP01 = des_batch("scp01", "visa1", 0x70, scp=0x01)
SCP01_HMAC = replace(
    des_batch("scp01-hmac", "nist-sp800-108-hmac", 0x11, scp=0x01, i=0x05),
    settings="allow_key_material_in_worker = true\nicv_in_clear = true",
)

SERVED = (
    AES128,
    AES192,
    AES256,
    AES_SHARED,
    AES_S16,
    DES_VISA2,
    DES_EMV,
    DES_SHARED,
    DES_R_MAC,
    SCP01,
    SCP01_HMAC,
)
"""One batch for each protocol, key length and scheme; nothing is special about them."""

ROTATED = replace(
    aes_batch("rotated", 128, 0x70, "kdf3", 0x20),
    key_version=2,
    versions='{1 = "retired", 2 = "active"}',
    imported=(1, 2),
)
ABSENT = replace(aes_batch("absent", 128, 0x70, "kdf3", 0x21), imported=())
AWAITED = replace(aes_batch("awaited", 256, 0x70, "kdf3", 0x22), imported=())
OWN_CHALLENGE = replace(
    aes_batch("own-challenge", 128, 0x70, "kdf3", 0x23), settings="require_issued_challenge = false"
)
ENCRYPTED = replace(
    aes_batch("encrypted", 128, 0x70, "kdf3", 0x24), settings='min_security_level = "03"'
)
BY_CUID = replace(
    aes_batch("by-cuid", 128, 0x70, "kdf3", 0x25), settings='diversification_data = "cuid"'
)

FACTORY_SCP02 = Batch(
    "factory-scp02",
    0x02,
    0x15,
    "des3",
    "none",
    FACTORY_KEY,
    key_version=0xFF,
    versions='{1 = "active", 32 = "active", 255 = "active"}',
    settings="require_issued_challenge = false\nfactory = true",
    imported=(1, 32, 255),
)
PUBLISHED_SCP03 = Batch(
    "published-scp03",
    0x03,
    0x10,
    "aes192",
    "none",
    bytes.fromhex("de2a3629cbc24e8d8869e82c8b4c0d874d88166b6f8a1c12"),
    key_version=2,
    versions='{2 = "active"}',
    settings="require_issued_challenge = false",
    imported=(2,),
)

BATCHES = (
    *SERVED,
    ROTATED,
    ABSENT,
    AWAITED,
    OWN_CHALLENGE,
    ENCRYPTED,
    BY_CUID,
    FACTORY_SCP02,
    PUBLISHED_SCP03,
)
"""The cards of a site, but for those that are changed over to other keys (changeovers.py)."""
