"""[key_sets.NAME] of policy.toml: master keys, and how cards' keys come from them."""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BeforeValidator, Field

from tmsd.config.reserved_keys import RESERVED_PREFIX
from tmsd.config.table import BY_LOADER, TOML, Table
from tmsd.config.toml import Complaint, shown
from tmsd.config.values import DISTINCT, HexByte, Name, text
from tmsd.globalplatform.diversification import SCHEMES
from tmsd.globalplatform.protocols import LEVELS, PROTOCOLS

UNDIVERSIFIED = "none"

_DECIMAL = re.compile(r"[1-9][0-9]{0,2}")


class Scp(StrEnum):
    """The secure channel protocol that the cards speak."""

    SCP02 = "02"
    SCP03 = "03"


class KeyAlgorithm(StrEnum):
    """The algorithm of the master keys and of the cards' keys."""

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


_FAMILY_OF_PROTOCOL = {Scp.SCP02: "3DES", Scp.SCP03: "AES"}
_FAMILY_OF_SCHEME = {"visa2": "3DES", "emv": "3DES", "kdf3": "AES"}


def _choices(family: str) -> str:
    return " or ".join(algorithm for algorithm in KeyAlgorithm if algorithm.family == family)


class DiversificationData(StrEnum):
    """What a card is told apart by: the KDD of INITIALIZE UPDATE, or its CUID."""

    KDD = "kdd"
    CUID = "cuid"


class VersionState(StrEnum):
    """Whether a version of a master key opens channels."""

    ACTIVE = "active"
    RETIRED = "retired"


class ChangeTarget(NamedTuple):
    """A key set and a version that cards may be changed over to."""

    key_set: str
    version: int


def _parse_target(value: str) -> ChangeTarget:
    """Split `pilot:2`; ValueError unless it is a name, a colon and a version 1 to 255."""
    name, _, version = value.rpartition(":")
    if not name or not _DECIMAL.fullmatch(version) or int(version) > 0xFF:
        raise ValueError(f'must be a key set and its version, as "pilot:2", not {shown(value)}')
    return ChangeTarget(name, int(version))


def _check_target(value: str) -> str:
    _parse_target(value)
    return value


def _version(value: object) -> int:
    decimal = str(value)
    if not _DECIMAL.fullmatch(decimal) or int(decimal) > 0xFF:
        raise ValueError("is not a key version: 1 to 255, decimal")
    return int(decimal)


def _check_versions(versions: dict[int, VersionState]) -> dict[int, VersionState]:
    if not versions:
        raise ValueError('must hold at least one version, as {1 = "active"}')
    return versions


def _check_scheme(value: str) -> str:
    if value not in SCHEMES:
        raise ValueError(f"{shown(value)} is not one of {', '.join(SCHEMES)}")
    return value


def _default_i(validated: dict[str, Any]) -> tuple[int, ...]:
    return {Scp.SCP02: (0x15,), Scp.SCP03: (0x70, 0x00)}[validated["scp"]]


class KeySet(Table):
    """Cards that share a master key, a protocol and a diversification.

    Attributes:
        name: the table's name.
        scp: the protocol.
        master_key: the label of the master keys in the HSM; their CKA_ID is the version.
        algorithm: of the master keys and the cards' keys.
        diversification: a scheme of tmsd/globalplatform/diversification.py.
        undiversified: says that `none` is meant: every card holds the same keys.
        diversification_data: what the scheme is given.
        versions: key version number (1 to 255) to its state.
        scp_i: values of "i" (1 byte each) that are accepted; the first is the default.
        min_security_level: P1 of EXTERNAL AUTHENTICATE, the least that is opened.
        require_issued_challenge: refuse host challenges that the HSM did not make.
        change_to: where key changeover may lead, as `name:version`.
        factory: the keys are those that card makers publish.
    """

    name: Annotated[Name, BY_LOADER]
    scp: Annotated[Scp, TOML] = Field(description='the protocol, "02" or "03"')
    master_key: Annotated[str, text(64)] = Field(
        default_factory=lambda validated: validated["name"]
    )
    algorithm: Annotated[KeyAlgorithm, TOML] = Field(
        description=f"one of {', '.join(KeyAlgorithm)}"
    )
    diversification: Annotated[str, AfterValidator(_check_scheme)] = Field(
        description=f"one of {', '.join(SCHEMES)}"
    )
    undiversified: bool = False
    diversification_data: Annotated[DiversificationData, TOML] = DiversificationData.KDD
    versions: Annotated[
        dict[Annotated[int, BeforeValidator(_version)], Annotated[VersionState, TOML]],
        AfterValidator(_check_versions),
    ] = Field(description='the key versions and their states, as {1 = "active"}')
    scp_i: Annotated[tuple[HexByte, ...], TOML, DISTINCT] = Field(default_factory=_default_i)
    min_security_level: HexByte = 0x01
    require_issued_challenge: bool = True
    change_to: Annotated[
        tuple[Annotated[str, AfterValidator(_check_target)], ...], TOML, DISTINCT
    ] = ()
    factory: bool = False

    @property
    def targets(self) -> tuple[ChangeTarget, ...]:
        """What `change_to` names, split."""
        return tuple(_parse_target(target) for target in self.change_to)

    def complaints(self) -> Iterator[Complaint]:
        """Yield what protocol, algorithm, scheme and versions have against each other."""
        family = _FAMILY_OF_PROTOCOL[self.scp]
        if self.algorithm.family != family:
            yield Complaint(
                ("algorithm",), f"scp {self.scp} needs {_choices(family)}, not {self.algorithm}"
            )
        family = _FAMILY_OF_SCHEME.get(self.diversification, self.algorithm.family)
        if self.algorithm.family != family:
            yield Complaint(
                ("diversification",),
                f"{self.diversification} needs {_choices(family)}, but algorithm is "
                f"{self.algorithm}",
            )
        yield from self._undiversified_complaints()
        if self.master_key.startswith(RESERVED_PREFIX):
            yield Complaint(
                ("master_key",),
                f"must not begin with {RESERVED_PREFIX}, as the labels of the daemon's own keys do",
            )
        yield from self._protocol_complaints()

    def _undiversified_complaints(self) -> Iterator[Complaint]:
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
        served = PROTOCOLS[int(self.scp)].IMPLEMENTATIONS
        if not self.scp_i:
            yield Complaint(("scp_i",), f"must hold at least one of {_hex(served)}")
        for index, value in enumerate(self.scp_i):
            if value not in served:
                yield Complaint(
                    ("scp_i", index),
                    f"{value:02x} is not served in scp {self.scp}, which has {_hex(served)}",
                )
        if self.min_security_level not in LEVELS:
            yield Complaint(
                ("min_security_level",),
                f"{self.min_security_level:02x} is not one of {_hex(sorted(LEVELS))}",
            )


def _hex(values: Iterable[int]) -> str:
    return ", ".join(f"{value:02x}" for value in values)
