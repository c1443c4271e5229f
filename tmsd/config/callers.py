"""[callers.NAME] of policy.toml: who may ask, in which role, for what, with which key sets."""

import re
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from tmsd.config.dogtag import DogtagTps
from tmsd.config.table import BY_LOADER, TOML, Table
from tmsd.config.toml import Complaint, shown
from tmsd.config.values import DISTINCT, Name, Sha256
from tmsd.globalplatform.put_key import PUT_KEY

ALL_KEY_SETS = "*"
ANY_COMMAND = "*"
APPLIANCE = "appliance"
"""Who asks when nobody called: the appliance itself. No caller has the name."""

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_INS = re.compile(r"[0-9a-f]{2}")


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


class Protocol(StrEnum):
    """What a caller speaks: the API of docs/api.md, or what Dogtag's TPS speaks to its TKS."""

    API = "tmsd"
    DOGTAG = "dogtag"


class EncryptPurpose(StrEnum):
    """What a caller may have encrypted under a card's data encryption key."""

    PROOF_OF_PRESENCE = "proof-of-presence"
    PROOF_OF_POSSESSION = "proof-of-possession"
    PIN = "pin"
    OBJECT = "object"


def _check_roles(roles: tuple[Role, ...]) -> tuple[Role, ...]:
    if not roles:
        raise ValueError(f"must hold at least one of {', '.join(Role)}")
    return roles


def _check_key_sets(names: tuple[str, ...]) -> tuple[str, ...]:
    if ALL_KEY_SETS in names and len(names) > 1:
        raise ValueError(f'must be ["{ALL_KEY_SETS}"] or an array of names, not both')
    return names


def _split_certificate(value: str) -> tuple[str, str, str]:
    return value.partition(":")


def _check_certificate(value: str) -> str:
    ca, colon, profile = _split_certificate(value)
    if not colon or not all(map(_NAME.fullmatch, (ca, profile))):
        raise ValueError(f'must be a CA and a profile, as "demo:token-signing", not {shown(value)}')
    return value


def _check_command(ins: str) -> str:
    if ins == f"{PUT_KEY:02x}":
        raise ValueError(
            f"{ins} is PUT KEY, which callers do not make: only put-key makes one, "
            "along the key set's change_to"
        )
    if ins != ANY_COMMAND and not _INS.fullmatch(ins):
        raise ValueError(
            f'must be an INS byte, two lower-case hex digits as "e2", not {shown(ins)}'
        )
    return ins


def _check_commands(commands: tuple[str, ...]) -> tuple[str, ...]:
    if ANY_COMMAND in commands and len(commands) > 1:
        raise ValueError(f'must be ["{ANY_COMMAND}"] or an array of INS bytes, not both')
    return commands


class Caller(Table):
    """A client of the API, known by its public key.

    Attributes:
        name: the table's name.
        public_key_sha256: SHA-256 of the SubjectPublicKeyInfo (DER, RFC 5280, 4.1), in
            lower-case hex.
        roles: at least one.
        protocol: what it speaks; no other listener answers it.
        dogtag: what holds for a TPS of Dogtag; None for all others.
        key_sets: names, or `*` alone for all.
        deliveries: the ways a session may be handed to this caller.
        transport_key: the name of the key that wraps session keys for it.
        deliver_static_dek: a delivery may hold the card's DEK, which is static but in SCP02.
        encrypt_purposes: what it may have encrypted under a card's data encryption key.
        requests_per_second: how often it may ask, on the whole.
        burst: how many times it may ask at once after a pause.
        failures_per_minute: how many of the cards that it presents may fail.
        certificates: what it may be issued, as `ca:profile`.
        card_commands: INS bytes of the commands it may have wrapped, or `*` alone for any.
    """

    name: Annotated[Name, BY_LOADER]
    public_key_sha256: Sha256 = Field(
        description="the SHA-256 of the caller's public key, 64 hex digits"
    )
    roles: Annotated[
        tuple[Annotated[Role, TOML], ...], TOML, DISTINCT, AfterValidator(_check_roles)
    ] = Field(description=f"an array of {', '.join(Role)}")
    protocol: Annotated[Protocol, TOML] = Protocol.API
    dogtag: DogtagTps | None = None
    key_sets: Annotated[tuple[str, ...], TOML, DISTINCT, AfterValidator(_check_key_sets)] = ()
    deliveries: Annotated[tuple[Annotated[Delivery, TOML], ...], TOML, DISTINCT] = (
        Delivery.SEALED,
    )
    transport_key: Name | None = None
    deliver_static_dek: bool = False
    encrypt_purposes: Annotated[tuple[Annotated[EncryptPurpose, TOML], ...], TOML, DISTINCT] = ()
    certificates: Annotated[
        tuple[Annotated[str, AfterValidator(_check_certificate)], ...], TOML, DISTINCT
    ] = ()
    card_commands: Annotated[
        tuple[Annotated[str, AfterValidator(_check_command)], ...],
        TOML,
        DISTINCT,
        AfterValidator(_check_commands),
    ] = (ANY_COMMAND,)
    requests_per_second: Annotated[float, Field(ge=0.1, le=1_000_000)] = 200.0
    burst: Annotated[int, Field(ge=1, le=1_000_000)] = 400
    failures_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 60

    def may_use(self, key_set_name: str) -> bool:
        """Say whether the caller may use the key set of this name."""
        return ALL_KEY_SETS in self.key_sets or key_set_name in self.key_sets

    @property
    def certified(self) -> list[tuple[str, str]]:
        """The CA and the profile of each entry of `certificates`."""
        return [(ca, profile) for ca, _, profile in map(_split_certificate, self.certificates)]

    def may_be_issued(self, ca: str, profile: str) -> bool:
        """Say whether the policy names this CA and profile for the caller."""
        return f"{ca}:{profile}" in self.certificates

    def may_send(self, ins: int) -> bool:
        """Say whether the caller may have commands of this INS byte wrapped; never PUT KEY."""
        if ins == PUT_KEY:
            return False
        return ANY_COMMAND in self.card_commands or f"{ins:02x}" in self.card_commands

    def complaints(self) -> Iterator[Complaint]:
        """Yield what the protocol and the delivery of session keys lack."""
        if self.protocol is Protocol.DOGTAG:
            yield from self._dogtag_complaints()
        elif self.dogtag is not None:
            yield Complaint(("dogtag",), 'needs protocol = "dogtag"')
        delivers_keys = Delivery.TRANSPORT in self.deliveries
        if delivers_keys and self.transport_key is None:
            yield Complaint(
                ("deliveries",), "transport needs transport_key, which session keys are wrapped by"
            )
        if self.deliver_static_dek and not delivers_keys and self.dogtag is None:
            yield Complaint(
                ("deliver_static_dek",), "needs transport among deliveries, which would hold it"
            )

    def _dogtag_complaints(self) -> Iterator[Complaint]:
        if self.dogtag is None:
            yield Complaint(
                ("protocol",), "dogtag needs the table dogtag, with key_sets, which says for what"
            )
        if self.roles != (Role.TPS,):
            yield Complaint(("roles",), f'must be ["{Role.TPS}"] with protocol = "dogtag"')
        if self.transport_key is None:
            yield Complaint(
                ("protocol",), "dogtag needs transport_key, the secret that the TPS shares"
            )
