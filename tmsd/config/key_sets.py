"""[key_sets.NAME] of policy.toml: master keys, and how cards' keys come from them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

from tmsd.config.key_versions import (
    HIGHEST_PUT,
    MasterKeyVersion,
    Ordered,
    VersionState,
    newest_active,
    newest_first,
)
from tmsd.config.reserved_keys import KeyLabel
from tmsd.config.table import BY_LOADER, TOML, Table
from tmsd.config.toml import Complaint, shown
from tmsd.config.values import DISTINCT, HexByte, Name
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.diversification import EXPOSED_SCHEMES, SCHEMES, Role
from tmsd.globalplatform.protocols import PROTOCOLS

UNDIVERSIFIED = "none"
ALL_SCHEMES = (*SCHEMES, *EXPOSED_SCHEMES)

_DECIMAL = re.compile(r"[1-9][0-9]{0,2}")


class Scp(StrEnum):
    """The secure channel protocol that the cards speak."""

    SCP01 = "01"
    SCP02 = "02"
    SCP03 = "03"


class KeyAlgorithm(StrEnum):
    """The algorithm of master keys, of cards' keys, or of transport keys."""

    AES128 = "aes128"
    AES192 = "aes192"
    AES256 = "aes256"
    DES3 = "des3"

    @property
    def family(self) -> str:
        """The block cipher."""
        return "3DES" if self is KeyAlgorithm.DES3 else "AES"

    @property
    def strength(self) -> int:
        """Security strength in bits (NIST SP 800-57 part 1 rev. 5, table 2)."""
        return {"aes128": 128, "aes192": 192, "aes256": 256, "des3": 112}[self]


_FAMILY_OF_PROTOCOL = {Scp.SCP01: "3DES", Scp.SCP02: "3DES", Scp.SCP03: "AES"}
_FAMILY_OF_SCHEME = {
    "visa1": "3DES",
    "visa2": "3DES",
    "emv": "3DES",
    "kdf3": "AES",
    "gp-kmc": "AES",
    "gp-kmc-dogtag-10": "AES",
    "nist-sp800-108-hmac": "3DES",
}
# Schemes that some cards of SCP03 take 16 bytes from as an AES key, of a 3DES master key.
_SCHEMES_ACROSS = ("visa2", "emv")
_DEFAULT_I = {Scp.SCP01: (0x05,), Scp.SCP02: (0x15,), Scp.SCP03: (0x70, 0x00)}


def _choices(family: str) -> str:
    return " or ".join(algorithm for algorithm in KeyAlgorithm if algorithm.family == family)


class DiversificationData(StrEnum):
    """What a card is told apart by: the KDD of INITIALIZE UPDATE, or its CUID.

    Or both, as Dogtag has it with VISA2 in SCP02: channels by CUID, and new keys by KDD.
    """

    KDD = "kdd"
    CUID = "cuid"
    CUID_KDD = "cuid-kdd"


class ChangeTarget(NamedTuple):
    """A key set and a version that cards may be changed over to; None for its newest active one."""

    key_set: str
    version: int | None


def _parse_target(value: str) -> ChangeTarget:
    """Split `pilot:2`; ValueError unless it is a name, or that, a colon and a version 1 to 127."""
    name, colon, version = value.partition(":")
    if not name or (colon and not _is_put(version)):
        raise ValueError(
            f"must be a key set, or a key set and its version from 1 to {HIGHEST_PUT}, "
            f'as "pilot" or "pilot:2", not {shown(value)}'
        )
    return ChangeTarget(name, int(version) if colon else None)


def _is_put(version: str) -> bool:
    return _DECIMAL.fullmatch(version) is not None and int(version) <= HIGHEST_PUT


def _check_target(value: str) -> str:
    _parse_target(value)
    return value


def _version(value: object) -> int:
    decimal = str(value)
    if not _DECIMAL.fullmatch(decimal) or int(decimal) > 0xFF:
        raise ValueError("is not a key version: 1 to 255, decimal")
    return int(decimal)


def _check_versions(versions: dict[int, MasterKeyVersion]) -> dict[int, MasterKeyVersion]:
    if not versions:
        raise ValueError('must hold at least one version, as {1 = "active"}')
    return versions


def _check_scheme(value: str) -> str:
    if value not in ALL_SCHEMES:
        raise ValueError(f"{shown(value)} is not one of {', '.join(ALL_SCHEMES)}")
    return value


def _check_des_type(value: int) -> int:
    if value not in (0x80, 0x81):
        raise ValueError(f'must be "80" or "81", not "{value:02x}"')
    return value


def _default_label(validated: dict[str, Any]) -> str | None:
    return None if validated["master_keys"] else validated["name"]


class MasterKeys(Table):
    """The labels of master keys that are three keys, one for each of the card's keys."""

    enc: KeyLabel = Field(description="the label of the master key of the cards' ENC keys")
    mac: KeyLabel = Field(description="the label of the master key of the cards' MAC keys")
    dek: KeyLabel = Field(description="the label of the master key of the cards' DEK keys")


class KeySet(Table):
    """Cards that share their master keys, a protocol and a diversification.

    Attributes:
        name: the table's name.
        scp: the protocol.
        master_keys: the labels of the master keys in the HSM, if each role has its own.
        master_key: the label of the master key of all roles; None beside `master_keys`. In
            either case CKA_ID is the version.
        algorithm: of the master keys.
        card_key_algorithm: of the cards' keys, if it is another. 3DES cards have two-key keys.
        diversification: a scheme of tmsd/globalplatform/diversification.py.
        undiversified: says that `none` is meant: every card holds the same keys.
        icv_in_clear: encrypt under DEKs of cards whose callers can forge commands (an i that
            does not encrypt the ICV).
        allow_key_material_in_worker: what the token cannot do inside may be done in the
            worker's memory.
        diversification_data: what the scheme is given.
        versions: by their numbers, 1 to 255.
        scp_i: values of "i" (1 byte each) that are accepted; the first is the default.
        min_security_level: P1 of EXTERNAL AUTHENTICATE, the least that is opened.
        require_issued_challenge: refuse host challenges that the HSM did not make.
        change_to: where key changeover may lead, as `name:version`, or `name` for the newest
            version of it that is active.
        change_back_to: where it may lead as well although the target's keys are not the card's
            alone, or weaker: cards that are taken out of service.
        put_key_des_type: the key type by which PUT KEY brings 3DES keys to these cards.
        factory: the keys are those that card makers publish.
    """

    name: Annotated[Name, BY_LOADER]
    scp: Annotated[Scp, TOML] = Field(description='the protocol, "01", "02" or "03"')
    master_keys: MasterKeys | None = None
    master_key: KeyLabel | None = Field(default_factory=_default_label, validate_default=True)
    algorithm: Annotated[KeyAlgorithm, TOML] = Field(
        description=f"one of {', '.join(KeyAlgorithm)}"
    )
    card_key_algorithm: Annotated[KeyAlgorithm, TOML] | None = None
    diversification: Annotated[str, AfterValidator(_check_scheme)] = Field(
        description=f"one of {', '.join(ALL_SCHEMES)}"
    )
    undiversified: bool = False
    allow_key_material_in_worker: bool = False
    icv_in_clear: bool = False
    diversification_data: Annotated[DiversificationData, TOML] = DiversificationData.KDD
    versions: Annotated[
        dict[Annotated[int, BeforeValidator(_version)], MasterKeyVersion],
        AfterValidator(_check_versions),
    ] = Field(description='the key versions and their states, as {1 = "active"}')
    scp_i: Annotated[tuple[HexByte, ...], TOML, DISTINCT] = Field(
        default_factory=lambda validated: _DEFAULT_I[validated["scp"]]
    )
    min_security_level: HexByte = 0x01
    require_issued_challenge: bool = True
    change_to: Annotated[
        tuple[Annotated[str, AfterValidator(_check_target)], ...], TOML, DISTINCT
    ] = ()
    change_back_to: Annotated[
        tuple[Annotated[str, AfterValidator(_check_target)], ...], TOML, DISTINCT
    ] = ()
    put_key_des_type: Annotated[HexByte, AfterValidator(_check_des_type)] = 0x80
    factory: bool = False

    @cached_property
    def labels(self) -> Mapping[Role, str]:
        """The labels of the master keys in the HSM, by the role of the cards' keys."""
        if self.master_keys is None:
            return dict.fromkeys(Role, self.master_key or self.name)
        keys = self.master_keys
        return {Role.ENC: keys.enc, Role.MAC: keys.mac, Role.DEK: keys.dek}

    @property
    def card_algorithm(self) -> KeyAlgorithm:
        """The algorithm of the cards' keys."""
        return self.card_key_algorithm or self.algorithm

    @property
    def targets(self) -> tuple[ChangeTarget, ...]:
        """What `change_to` names, split."""
        return tuple(_parse_target(target) for target in self.change_to)

    @property
    def targets_back(self) -> tuple[ChangeTarget, ...]:
        """What `change_back_to` names, split."""
        return tuple(_parse_target(target) for target in self.change_back_to)

    @property
    def ways(self) -> tuple[ChangeTarget, ...]:
        """All that key changeover may lead to."""
        return self.targets + self.targets_back

    @cached_property
    def _newest_first(self) -> Ordered:
        return newest_first(self.versions)

    def newest_version(self, now: datetime) -> int | None:
        """Return the version that cards get at a time (UTC); None where none is active."""
        return newest_active(self._newest_first, now)

    def require_active(self, version: int, now: datetime) -> None:
        """Refuse a version that is not active at a time (UTC).

        Raises:
            ServiceError: `key-version-unknown`, `key-version-not-yet-active`,
                `key-version-retired`.
        """
        known = self.versions.get(version)
        if known is None:
            raise ServiceError(
                Code.KEY_VERSION_UNKNOWN, f"key set {self.name} has no version {version}"
            )
        match known.state(now):
            case VersionState.PRE_ACTIVE:
                code = Code.KEY_VERSION_NOT_YET_ACTIVE
            case VersionState.RETIRED:
                code = Code.KEY_VERSION_RETIRED
            case VersionState.ACTIVE:
                return
        raise ServiceError(code, f"version {version} of key set {self.name} is {known}")

    def complaints(self) -> Iterator[Complaint]:
        """Yield what protocol, algorithms, scheme and versions have against each other."""
        if self.master_keys is not None and self.master_key is not None:
            yield Complaint(("master_keys",), "stands beside master_key: keep one of the two")
        yield from self._algorithm_complaints()
        yield from self._scheme_complaints()
        yield from self._protocol_complaints()

    def _algorithm_complaints(self) -> Iterator[Complaint]:
        family = _FAMILY_OF_PROTOCOL[self.scp]
        if self.card_algorithm is not self.algorithm:
            if not self._is_aes_of_3des():
                yield Complaint(
                    ("card_key_algorithm",),
                    f"{self.card_key_algorithm} cannot come from a {self.algorithm} master key: "
                    f"only aes128 from des3 can, with {' or '.join(_SCHEMES_ACROSS)} in scp 03",
                )
        elif self.algorithm.family != family:
            yield Complaint(
                ("algorithm",),
                f"scp {self.scp} needs {_choices(family)}, not {self.algorithm}"
                + self._hint_at_card_keys(),
            )

    def _is_aes_of_3des(self) -> bool:
        """Say whether this is how cards as SmartCafe 6 get AES keys of a 3DES master key."""
        return (
            self.scp is Scp.SCP03
            and self.algorithm is KeyAlgorithm.DES3
            and self.card_algorithm is KeyAlgorithm.AES128
            and self.diversification in _SCHEMES_ACROSS
        )

    def _hint_at_card_keys(self) -> str:
        if self.scp is Scp.SCP03 and self.diversification in _SCHEMES_ACROSS:
            return '; or is card_key_algorithm = "aes128" meant?'
        return ""

    def _scheme_complaints(self) -> Iterator[Complaint]:
        family = _FAMILY_OF_SCHEME.get(self.diversification, self.algorithm.family)
        if self.algorithm.family != family:
            yield Complaint(
                ("diversification",),
                f"{self.diversification} needs {_choices(family)}, but algorithm is "
                f"{self.algorithm}",
            )
        if self.diversification in EXPOSED_SCHEMES and not self.allow_key_material_in_worker:
            yield Complaint(
                ("diversification",),
                f"{self.diversification} cannot be computed inside an HSM, so that the cards' keys "
                "pass through the worker's memory: choose another scheme, or say "
                "allow_key_material_in_worker = true if that is accepted",
            )
        if self.diversification == UNDIVERSIFIED and not self.undiversified:
            yield Complaint(
                ("diversification",),
                "none gives every card the same keys: "
                "choose a scheme, or say undiversified = true if that is meant",
            )
        if self.diversification != UNDIVERSIFIED and self.undiversified:
            yield Complaint(
                ("undiversified",),
                f"contradicts diversification = {self.diversification}: remove one of the two",
            )

    def _protocol_complaints(self) -> Iterator[Complaint]:
        if self.diversification_data is DiversificationData.CUID_KDD and self.scp is not Scp.SCP02:
            yield Complaint(
                ("diversification_data",),
                f'cuid-kdd is how Dogtag has it in scp 02: "kdd" or "cuid" with scp {self.scp}',
            )
        protocol = PROTOCOLS[int(self.scp)]
        served = protocol.IMPLEMENTATIONS
        if not self.scp_i:
            yield Complaint(("scp_i",), f"must hold at least one of {_hex(served)}")
        for index, value in enumerate(self.scp_i):
            if value not in served:
                yield Complaint(
                    ("scp_i", index),
                    f"{value:02x} is not served in scp {self.scp}, which has {_hex(served)}",
                )
        accepted = [value for value in self.scp_i if value in served]
        levels = {int(level) for value in accepted for level in protocol.levels(value)}
        if accepted and self.min_security_level not in levels:
            yield Complaint(
                ("min_security_level",),
                f"{self.min_security_level:02x} is not one of {_hex(sorted(levels))}, "
                f"which cards of scp {self.scp} with i = {_hex(accepted)} have",
            )


def _hex(values: Iterable[int]) -> str:
    return ", ".join(f"{value:02x}" for value in values)
