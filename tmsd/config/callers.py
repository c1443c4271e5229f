"""[callers.NAME] of policy.toml: who may ask, in which role, with which key sets."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from tmsd.config.table import BY_LOADER, TOML, Table
from tmsd.config.toml import shown
from tmsd.config.values import DISTINCT, Name

ALL_KEY_SETS = "*"

_SHA256 = re.compile(r"[0-9a-f]{64}")


class Role(StrEnum):
    """What a caller is: each call of the API asks for one of these."""

    TPS = "tps"
    RA = "ra"
    DRM_AGENT = "drm-agent"
    AUDITOR = "auditor"
    METRICS = "metrics"


class Delivery(StrEnum):
    """How a caller gets a session: sealed, or its keys wrapped under a transport key."""

    SEALED = "sealed"
    TRANSPORT = "transport"


def _check_sha256(value: str) -> str:
    if not _SHA256.fullmatch(value):
        raise ValueError(f"must be a SHA-256, 64 lower-case hex digits, not {shown(value)}")
    return value


def _check_roles(roles: tuple[Role, ...]) -> tuple[Role, ...]:
    if not roles:
        raise ValueError(f"must hold at least one of {', '.join(Role)}")
    return roles


def _check_key_sets(names: tuple[str, ...]) -> tuple[str, ...]:
    if ALL_KEY_SETS in names and len(names) > 1:
        raise ValueError(f'must be ["{ALL_KEY_SETS}"] or an array of names, not both')
    return names


class Caller(Table):
    """A client of the API, known by its public key.

    Attributes:
        name: the table's name.
        public_key_sha256: SHA-256 of the SubjectPublicKeyInfo (DER, RFC 5280, 4.1), in
            lower-case hex.
        roles: at least one.
        key_sets: names, or `*` alone for all.
        deliveries: the ways a session may be handed to this caller.
    """

    name: Annotated[Name, BY_LOADER]
    public_key_sha256: Annotated[str, AfterValidator(_check_sha256)] = Field(
        description="the SHA-256 of the caller's public key, 64 hex digits"
    )
    roles: Annotated[
        tuple[Annotated[Role, TOML], ...], TOML, DISTINCT, AfterValidator(_check_roles)
    ] = Field(description=f"an array of {', '.join(Role)}")
    key_sets: Annotated[tuple[str, ...], TOML, DISTINCT, AfterValidator(_check_key_sets)] = ()
    deliveries: Annotated[tuple[Annotated[Delivery, TOML], ...], TOML, DISTINCT] = (
        Delivery.SEALED,
    )

    def may_use(self, key_set_name: str) -> bool:
        """Say whether the caller may use the key set of this name."""
        return ALL_KEY_SETS in self.key_sets or key_set_name in self.key_sets
