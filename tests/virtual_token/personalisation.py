"""Personalisation: what makes one card another card, fixed before it is ever powered."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from tests.virtual_token.keyring import CardKey, KeyGroup, Keyring
from tests.virtual_token.keys import (
    BY_CUID,
    DEK,
    ENC,
    MAC,
    KeySet,
    RoleMasters,
    diversify,
)
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
        scp: the secure channel protocol, 1, 2 or 3.
        i: its implementation options (hex): SCP01 05 15; SCP02 04 05 14 15 34 35 54 55 74 75;
            SCP03 00 10 20 30 60 70, and one more for challenges and MACs of 16 bytes.
        key_version: key version number, 01..7F, or FF for the initial keys of some cards.
        enc: static encryption key: 16 bytes for SCP01 and SCP02; 16, 24 or 32 for SCP03. It is
            the base key where i is even in SCP02.
        mac: static MAC key, of the same length; with a base key it may be empty.
        dek: data encryption key, likewise.
        kdd: key diversification data, 10 bytes.
        aid: of the issuer security domain, 5..16 bytes.
        minimum_level: bits that every security level must have; 00 also opens sessions
            without secure messaging, as most cards in the field do.
        encrypted_empty_accepted: whether a command whose plain data field is empty may be
            encrypted all the same, against AmdD 6.2.6; some hosts do, and some cards let them.
        production_data: CPLC, 42 bytes; by default what `cplc` makes of the KDD.
        upgrade_i: the options of SCP03 that a key version gets when PUT KEY makes its keys AES,
            or longer AES keys. None for a card whose keys keep their algorithm and length, as
            CS231 11.8.2.3.3 has it.

    The keys are those of personalisation; what PUT KEY made of them is in the card's memory.
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
    upgrade_i: int | None = None

    def __post_init__(self) -> None:
        if self.scp not in PROTOCOLS:
            raise ValueError(f"scp is one of {sorted(PROTOCOLS)}, not {self.scp}")
        PROTOCOLS[self.scp].options(self.i)
        if self.upgrade_i is not None:
            PROTOCOLS[0x03].options(self.upgrade_i)
        self._check_keys()
        if len(self.kdd) != 10:
            raise ValueError(f"kdd is 10 bytes, not {len(self.kdd)}")
        if not 5 <= len(self.aid) <= 16:
            raise ValueError(f"aid is 5 to 16 bytes, not {len(self.aid)}")
        if not self.production_data:
            object.__setattr__(self, "production_data", cplc(self.kdd))
        if len(self.production_data) != 42:
            raise ValueError(f"production_data is 42 bytes, not {len(self.production_data)}")

    def _check_keys(self) -> None:
        protocol = PROTOCOLS[self.scp]
        present = self._keys_by_identifier()
        if missing := [k for k in protocol.key_identifiers(self.i) if k not in present]:
            raise ValueError(f"i {self.i:02X} needs keys with the identifiers {missing}, too")
        lengths = {len(key) for key in present.values()}
        if len(lengths) != 1 or not lengths <= protocol.KEY_LENGTHS:
            raise ValueError(
                f"enc, mac and dek are of one length of {sorted(protocol.KEY_LENGTHS)} bytes, "
                f"not {sorted(lengths)}"
            )
        if not 0x01 <= self.key_version <= 0x7F and self.key_version != 0xFF:
            raise ValueError(f"key_version is 01..7F or FF, not {self.key_version:02X}")

    @property
    def keys(self) -> KeySet:
        """The card's key set."""
        return KeySet(self.key_version, self.enc, self.mac, self.dek)

    @property
    def keyring(self) -> Keyring:
        """The keys on the card before any PUT KEY."""
        key_type = PROTOCOLS[self.scp].KEY_TYPE
        keys = {k: CardKey(key_type, key) for k, key in self._keys_by_identifier().items()}
        return Keyring((KeyGroup(self.key_version, self.scp, self.i, keys),))

    def _keys_by_identifier(self) -> dict[int, bytes]:
        keys = {ENC: self.enc, MAC: self.mac, DEK: self.dek}
        return {identifier: key for identifier, key in keys.items() if key}


def personalise(
    master: bytes | RoleMasters,
    kdd: bytes,
    *,
    diversification: str,
    scp: int,
    i: int,
    key_version: int,
    minimum_level: int = 0x01,
    cuid: bytes | None = None,
    by_cuid: bool = False,
    upgrade_i: int | None = None,
) -> CardProfile:
    """Return the profile of a card whose keys are diversified from `master`.

    Args:
        master: one master key, or one for each role; see `keys.diversify` for lengths.
        kdd: what the card says at INITIALIZE UPDATE, 10 bytes.
        diversification: a name in `keys.SCHEMES`.
        scp: see `CardProfile`, as for all that is not named here.
        i: with an even one in SCP02, the card gets the one key with identifier 1.
        key_version: the version of the keys.
        minimum_level: the security level that the card insists on.
        cuid: what the production data say, 10 bytes; the same as the KDD by default.
        by_cuid: diversify by the CUID; schemes in `keys.BY_CUID` always do.
        upgrade_i: what AES keys in place of others make of the card.

    Raises:
        ValueError: names the field at fault.
    """
    cuid = kdd if cuid is None else cuid
    if len(cuid) != 10:
        raise ValueError(f"kdd and cuid are 10 bytes, not {len(cuid)}")
    data = cuid if by_cuid or diversification in BY_CUID else kdd
    keys = diversify(diversification, master, data, key_version)
    has_base_key = scp == 0x02 and PROTOCOLS[scp].key_identifiers(i) == (ENC,)
    return CardProfile(
        scp=scp,
        i=i,
        key_version=key_version,
        enc=keys.enc,
        mac=b"" if has_base_key else keys.mac,
        dek=b"" if has_base_key else keys.dek,
        kdd=kdd,
        minimum_level=minimum_level,
        production_data=cplc(cuid),
        upgrade_i=upgrade_i,
    )


def read_profile(path: Path) -> CardProfile:
    """Read a profile from JSON.

    An object of the arguments of `personalise`: `kdd`, `scp`, `i`, `key_version` and
    optionally `minimum_level`, `cuid` and `upgrade_i` as hex strings; `master` likewise, or
    as an object of `enc`, `mac` and `dek`; `diversification` as its name; `by_cuid`, if it is
    there, true or false.
    """
    table = json.loads(path.read_text())
    master = table["master"]
    return personalise(
        bytes.fromhex(master)
        if isinstance(master, str)
        else RoleMasters(**{role: bytes.fromhex(key) for role, key in master.items()}),
        bytes.fromhex(table["kdd"]),
        diversification=table["diversification"],
        scp=int(table["scp"], 16),
        i=int(table["i"], 16),
        key_version=int(table["key_version"], 16),
        minimum_level=int(table.get("minimum_level", "01"), 16),
        cuid=bytes.fromhex(table["cuid"]) if "cuid" in table else None,
        by_cuid=table.get("by_cuid", False),
        upgrade_i=int(table["upgrade_i"], 16) if "upgrade_i" in table else None,
    )
