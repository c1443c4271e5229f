"""Cards of one key set each: one batch for every kind of key set that a policy can have."""

import secrets
from dataclasses import dataclass, field, replace

from hsm.keys import AES_128, AES_192, AES_256, DES2, KeyShape
from tests.virtual_token.card import Card
from tests.virtual_token.keys import diversify
from tests.virtual_token.personalisation import CardProfile, cplc, personalise

SHAPES: dict[str, KeyShape] = {
    "aes128": AES_128,
    "aes192": AES_192,
    "aes256": AES_256,
    "des3": DES2,
}
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

    def card(self) -> Card:
        """Return a card of this batch that there was not before."""
        kdd = secrets.token_bytes(10)
        profile = personalise(
            self.master,
            kdd,
            diversification=self.diversification,
            scp=self.scp,
            i=self.i,
            key_version=self.key_version,
        )
        return Card(profile)

    def card_by_cuid(self, cuid: bytes) -> Card:
        """Return a card whose keys come from its 10-byte CUID, and not from its KDD."""
        keys = diversify(self.diversification, self.master, cuid, self.key_version)
        kdd = secrets.token_bytes(10)
        return Card(
            CardProfile(
                scp=self.scp,
                i=self.i,
                key_version=self.key_version,
                enc=keys.enc,
                mac=keys.mac,
                dek=keys.dek,
                kdd=kdd,
                production_data=cplc(cuid),
            )
        )


def _aes(name: str, bits: int, i: int, diversification: str, first_byte: int) -> Batch:
    master = bytes(range(first_byte, first_byte + bits // 8))
    return Batch(name, 0x03, i, f"aes{bits}", diversification, master)


def _des(name: str, diversification: str, first_byte: int) -> Batch:
    master = bytes(range(first_byte, first_byte + 16))
    return Batch(name, 0x02, 0x15, "des3", diversification, master)


AES128 = _aes("aes128", 128, 0x70, "kdf3", 0x50)
AES192 = _aes("aes192", 192, 0x00, "kdf3", 0x60)
AES256 = _aes("aes256", 256, 0x60, "kdf3", 0x80)
AES_SHARED = _aes("aes-shared", 128, 0x30, "none", 0xA0)
DES_VISA2 = _des("des-visa2", "visa2", 0xB0)
DES_EMV = _des("des-emv", "emv", 0xC0)
DES_SHARED = _des("des-shared", "none", 0xD0)

SERVED = (AES128, AES192, AES256, AES_SHARED, DES_VISA2, DES_EMV, DES_SHARED)
"""One batch for each protocol, key length and scheme; nothing is special about them."""

ROTATED = replace(
    _aes("rotated", 128, 0x70, "kdf3", 0x20),
    key_version=2,
    versions='{1 = "retired", 2 = "active"}',
    imported=(1, 2),
)
ABSENT = replace(_aes("absent", 128, 0x70, "kdf3", 0x21), imported=())
AWAITED = replace(_aes("awaited", 256, 0x70, "kdf3", 0x22), imported=())
OWN_CHALLENGE = replace(
    _aes("own-challenge", 128, 0x70, "kdf3", 0x23), settings="require_issued_challenge = false"
)
ENCRYPTED = replace(
    _aes("encrypted", 128, 0x70, "kdf3", 0x24), settings='min_security_level = "03"'
)
BY_CUID = replace(
    _aes("by-cuid", 128, 0x70, "kdf3", 0x25), settings='diversification_data = "cuid"'
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
