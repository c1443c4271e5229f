"""Personalisation: what makes one card another card, fixed before it is ever powered."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from tests.virtual_token.keys import KeySet, diversify
from tests.virtual_token.protocols import PROTOCOLS

ISSUER_SECURITY_DOMAIN = bytes.fromhex("A000000151000000")


def cplc(kdd: bytes) -> bytes:
    """Return the 42 bytes of card production life cycle data that belong to a 10-byte KDD.

    The card's unique identifier as token systems read it (fabricator and type of the IC, 2
    bytes each, batch identifier 2, serial number 4) then equals the KDD, as on cards whose
    keys are diversified by it. Operating system and dates are of no real product.
    """
    ic, batch, serial = kdd[0:4], kdd[4:6], kdd[6:10]
    operating_system = bytes.fromhex("746D 3244 0001")  # identifier, release date, level
    fabrication_date = bytes.fromhex("4001")
    packaging_and_personalisation = bytes(24)
    data = ic + operating_system + fabrication_date + serial + batch
    return data + packaging_and_personalisation


@dataclass(frozen=True, slots=True)
class CardProfile:
    """A card as it leaves personalisation.

    Attributes:
        scp: the secure channel protocol, 2 or 3.
        i: its implementation options; SCP02 15 or 55, SCP03 00 10 20 30 60 70 (hex).
        key_version: key version number, 01..7F, or FF for the initial keys of some cards.
        enc: static encryption key: 16 bytes for SCP02; 16, 24 or 32 for SCP03.
        mac: static MAC key, of the same length.
        dek: data encryption key, of the same length.
        kdd: key diversification data, 10 bytes.
        aid: of the issuer security domain, 5..16 bytes.
        minimum_level: bits that every security level must have; 00 also opens sessions
            without secure messaging, as most cards in the field do.
        encrypted_empty_accepted: whether a command whose plain data field is empty may be
            encrypted all the same, against AmdD 6.2.6; some hosts do, and some cards let them.
        production_data: CPLC, 42 bytes; by default what `cplc` makes of the KDD.
    """

    scp: int
    i: int
    key_version: int
    enc: bytes = field(repr=False)
    mac: bytes = field(repr=False)
    dek: bytes = field(repr=False)
    kdd: bytes
    aid: bytes = ISSUER_SECURITY_DOMAIN
    minimum_level: int = 0x01
    encrypted_empty_accepted: bool = False
    production_data: bytes = b""

    def __post_init__(self) -> None:
        if self.scp not in PROTOCOLS:
            raise ValueError(f"scp is one of {sorted(PROTOCOLS)}, not {self.scp}")
        protocol = PROTOCOLS[self.scp]
        protocol.options(self.i)
        lengths = {len(self.enc), len(self.mac), len(self.dek)}
        if len(lengths) != 1 or not lengths <= protocol.KEY_LENGTHS:
            raise ValueError(
                f"enc, mac and dek are of one length of {sorted(protocol.KEY_LENGTHS)} bytes, "
                f"not {sorted(lengths)}"
            )
        if not 0x01 <= self.key_version <= 0x7F and self.key_version != 0xFF:
            raise ValueError(f"key_version is 01..7F or FF, not {self.key_version:02X}")
        if len(self.kdd) != 10:
            raise ValueError(f"kdd is 10 bytes, not {len(self.kdd)}")
        if not 5 <= len(self.aid) <= 16:
            raise ValueError(f"aid is 5 to 16 bytes, not {len(self.aid)}")
        if not self.production_data:
            object.__setattr__(self, "production_data", cplc(self.kdd))
        if len(self.production_data) != 42:
            raise ValueError(f"production_data is 42 bytes, not {len(self.production_data)}")

    @property
    def keys(self) -> KeySet:
        """The card's key set."""
        return KeySet(self.key_version, self.enc, self.mac, self.dek)


def personalise(
    master: bytes,
    kdd: bytes,
    *,
    diversification: str,
    scp: int,
    i: int,
    key_version: int,
    minimum_level: int = 0x01,
) -> CardProfile:
    """Return the profile of a card whose keys are diversified from `master`.

    See `keys.diversify` for lengths; ValueError names the field at fault.
    """
    keys = diversify(diversification, master, kdd, key_version)
    return CardProfile(
        scp=scp,
        i=i,
        key_version=key_version,
        enc=keys.enc,
        mac=keys.mac,
        dek=keys.dek,
        kdd=kdd,
        minimum_level=minimum_level,
    )


def read_profile(path: Path) -> CardProfile:
    """Read a profile from JSON.

    An object of the arguments of `personalise`: `master`, `kdd`, `scp`, `i`, `key_version`
    and optionally `minimum_level` as hex strings, `diversification` as its name.
    """
    table = json.loads(path.read_text())
    return personalise(
        bytes.fromhex(table["master"]),
        bytes.fromhex(table["kdd"]),
        diversification=table["diversification"],
        scp=int(table["scp"], 16),
        i=int(table["i"], 16),
        key_version=int(table["key_version"], 16),
        minimum_level=int(table.get("minimum_level", "01"), 16),
    )
