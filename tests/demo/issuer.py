"""The issuer: owns the master keys, and personalises cards with what comes of them.

Here, and in the cards, keys are plain bytes: they are the demonstration's own, made anew by
each run, but for the one that every card maker publishes. The cards' keys are diversified by
tests/virtual_token, which shares no code with tmsd: if the two disagreed, no channel would open.
"""

import secrets
from dataclasses import dataclass, field, replace

from tests.virtual_token.coprocessor import aes_ecb_encrypt, des3_ecb_encrypt
from tests.virtual_token.keyring import AES, DES, INITIAL_KEYS, CardKey
from tests.virtual_token.keys import diversify
from tests.virtual_token.personalisation import CardProfile, personalise

FACTORY_KEY = bytes(range(0x40, 0x50))

_KDD_LENGTH = 10


@dataclass(frozen=True, slots=True)
class MasterKey:
    """A version of a master key, in two components.

    Attributes:
        version: the key version number, 1 to 127, or 255 of factory keys.
        algorithm: as policy.toml calls it.
        components: of two custodians; the master key is their XOR.
    """

    version: int
    algorithm: str
    components: tuple[bytes, bytes] = field(repr=False)

    @property
    def value(self) -> bytes:
        """The key, 16 or 32 bytes."""
        return bytes(a ^ b for a, b in zip(*self.components, strict=True))

    @property
    def key_check_value(self) -> bytes:
        """3 bytes (GlobalPlatform Card Specification 2.3.1, B.6), by the issuer's own reckoning."""
        if self.algorithm == "des3":
            return des3_ecb_encrypt(self.value, bytes(8))[:3]
        return aes_ecb_encrypt(self.value, b"\x01" * 16)[:3]


@dataclass(frozen=True, slots=True)
class IssuedKeySet:
    """Master keys, and the cards that come of them.

    Attributes:
        name: of the key set in policy.toml.
        scp: the secure channel protocol, 2 or 3.
        i: its implementation options, as the cards have them.
        algorithm: as policy.toml calls it.
        diversification: likewise.
        masters: by version; new cards get their keys from the first.
        settings: further lines of the key set in policy.toml.
    """

    name: str
    scp: int
    i: int
    algorithm: str
    diversification: str
    masters: tuple[MasterKey, ...]
    settings: tuple[str, ...] = ()

    @property
    def policy_table(self) -> str:
        """The key set's table of policy.toml."""
        versions = ", ".join(f'{master.version} = "active"' for master in self.masters)
        lines = (
            f"[key_sets.{self.name}]",
            f'scp = "{self.scp:02x}"',
            f'algorithm = "{self.algorithm}"',
            f'diversification = "{self.diversification}"',
            f"versions = {{ {versions} }}",
            f'scp_i = ["{self.i:02x}"]',
            'min_security_level = "03"',
            *self.settings,
        )
        return "".join(f"{line}\n" for line in lines)

    def profile(self) -> CardProfile:
        """Return a new card, with a KDD of its own and the keys that belong to it."""
        master = self.masters[0]
        return personalise(
            master.value,
            secrets.token_bytes(_KDD_LENGTH),
            diversification=self.diversification,
            scp=self.scp,
            i=self.i,
            key_version=master.version,
        )

    def profile_from_another_master(self) -> CardProfile:
        """Return a card that looks the same, and whose keys come from a random master key."""
        first = self.masters[0]
        other = _master(first.version, first.algorithm, len(first.value))
        return replace(self, masters=(other,)).profile()

    def card_check_values(self, kdd: bytes, version: int) -> list[bytes]:
        """Return the check values of the ENC, MAC and DEK that a card should have.

        Args:
            kdd: the card's.
            version: of the master key.
        """
        master = next(master for master in self.masters if master.version == version)
        keys = diversify(self.diversification, master.value, kdd, version)
        key_type = DES if self.algorithm == "des3" else AES
        return [CardKey(key_type, key).check_value for key in (keys.enc, keys.mac, keys.dek)]


@dataclass(frozen=True, slots=True)
class IssuedKeySets:
    """The key sets of the story, by their parts in it.

    Attributes:
        staff: SCP03 with AES-128; its cards go on to version 5.
        officers: SCP03 with AES-256.
        older: SCP02; its cards would go on to version 6, if the HSM could wrap the keys.
        doors: SCP02; its cards go on to version 8, with keys outside the HSM for a moment.
        fresh: SCP03 cards with factory keys, to become cards of `staff`.
    """

    staff: IssuedKeySet
    officers: IssuedKeySet
    older: IssuedKeySet
    doors: IssuedKeySet
    fresh: IssuedKeySet

    @property
    def all(self) -> tuple[IssuedKeySet, ...]:
        """Every key set, in the order of the policy."""
        return (self.staff, self.officers, self.older, self.doors, self.fresh)

    @property
    def masters(self) -> tuple[tuple[str, MasterKey], ...]:
        """Every master key, with the name of its key set."""
        return tuple((key_set.name, master) for key_set in self.all for master in key_set.masters)


def issued_key_sets() -> IssuedKeySets:
    """Make up master keys for SCP03 with AES-128 and AES-256, and for SCP02."""
    aes, des = _masters("aes128", 16, 2, 5), _masters("des3", 16, 4, 6)
    return IssuedKeySets(
        staff=IssuedKeySet("staff", 3, 0x70, "aes128", "kdf3", aes, _leading_to("staff:5")),
        officers=IssuedKeySet("officers", 3, 0x00, "aes256", "kdf3", _masters("aes256", 32, 3)),
        older=IssuedKeySet(
            "older-cards", 2, 0x15, "des3", "visa2", des, _leading_to("older-cards:6")
        ),
        doors=IssuedKeySet(
            *("door-cards", 2, 0x15, "des3", "visa2", _masters("des3", 16, 7, 8)),
            (*_leading_to("door-cards:8"), "allow_key_material_in_worker = true"),
        ),
        fresh=IssuedKeySet(
            *("fresh-cards", 3, 0x70, "aes128", "none", (_factory_master(),)),
            ("undiversified = true", "factory = true", *_leading_to("staff:5")),
        ),
    )


def _leading_to(target: str) -> tuple[str, ...]:
    return (f'change_to = ["{target}"]',)


def _masters(algorithm: str, length: int, *versions: int) -> tuple[MasterKey, ...]:
    return tuple(_master(version, algorithm, length) for version in versions)


def _master(version: int, algorithm: str, length: int) -> MasterKey:
    return MasterKey(version, algorithm, (secrets.token_bytes(length), secrets.token_bytes(length)))


def _factory_master() -> MasterKey:
    """Return the key that everybody knows, in components as any other."""
    one = secrets.token_bytes(len(FACTORY_KEY))
    other = bytes(a ^ b for a, b in zip(one, FACTORY_KEY, strict=True))
    return MasterKey(INITIAL_KEYS, "aes128", (one, other))
