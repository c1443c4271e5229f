"""Secure Channel Protocol 02 with explicit initiation, the host's side.

GlobalPlatform Card Specification 2.3.1, annex E. The bits of i that are served (table E-1):
01 three keys instead of one base key, 04 explicit initiation with C-MAC on the modified
APDU, 10 ICV encryption, 20 R-MAC, 40 well-known pseudo-random card challenge.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from hmac import compare_digest
from typing import Generic, TypeVar

from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import (
    MAC_LENGTH,
    ChannelState,
    Response,
    SecurityLevel,
    after_response,
    bad_response,
    begin_command,
    begin_response,
    pad,
    require_short,
    secured_command,
    secured_header,
)
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse
from tmsd.globalplatform.keys import Algorithm, Key, Use
from tmsd.globalplatform.triple_des_mac import MacKeys, full_mac, mac_keys, retail_mac

K = TypeVar("K", bound=Key)

_THREE_KEYS = 0x01
_ICV_ENCRYPTION = 0x10
_R_MAC = 0x20

IMPLEMENTATIONS: tuple[int, ...] = (0x15, 0x04, 0x05, 0x14, 0x34, 0x35, 0x54, 0x55, 0x74, 0x75)
DEK_IS_STATIC = False


class SessionKey(Enum):
    """The session keys of a card with three keys, by their derivation constants (E.4.1)."""

    ENC = b"\x01\x82"
    C_MAC = b"\x01\x01"
    R_MAC = b"\x01\x02"
    DEK = b"\x01\x81"

    @property
    def role(self) -> Role:
        """Which static key it comes from."""
        return {SessionKey.ENC: Role.ENC, SessionKey.DEK: Role.DEK}.get(self, Role.MAC)


_S_ENC_CONSTANT = SessionKey.ENC.value
_C_MAC_CONSTANT = SessionKey.C_MAC.value
_R_MAC_CONSTANT = SessionKey.R_MAC.value
_DEK_CONSTANT = SessionKey.DEK.value


@dataclass(frozen=True, slots=True)
class SessionKeys(Generic[K]):
    """The C-MAC session key, and what else the security level needs."""

    mac: MacKeys[K]
    enc: K | None
    rmac: MacKeys[K] | None


@cache
def levels(i: int) -> frozenset[SecurityLevel]:
    """Return the security levels that cards of this implementation have (table E-11)."""
    level = SecurityLevel
    served = {level.C_MAC, level.C_MAC | level.C_ENC}
    if i & _R_MAC:
        served |= {each | level.R_MAC for each in served}
    return frozenset(served)


def encrypts_icv(i: int) -> bool:
    """Say whether the caller of `wrap` cannot foresee what the next C-MAC starts from.

    Where it can, C-MACs of commands that were never sent combine to one of any command.
    """
    return bool(i & _ICV_ENCRYPTION)


def challenge_length(_i: int) -> int:
    """Return the length of host challenges and cryptograms, 8 bytes."""
    return 8


def opening_roles(i: int) -> tuple[Role, ...]:
    """Say which static keys opening a channel needs."""
    return (Role.MAC, Role.ENC) if i & _THREE_KEYS else (Role.ENC,)


def messaging_roles(i: int, level: SecurityLevel) -> tuple[Role, ...]:
    """Say which static keys commands and responses at `level` need."""
    if not i & _THREE_KEYS:
        return (Role.ENC,)
    return (Role.MAC, Role.ENC) if level & SecurityLevel.C_ENC else (Role.MAC,)


def card_roles(i: int) -> tuple[Role, ...]:
    """Say which static keys a card has, in the order of PUT KEY; a base key goes as ENC."""
    return tuple(Role) if i & _THREE_KEYS else (Role.ENC,)


def dek_role(i: int) -> Role:
    """Say from which static key the DEK session key comes."""
    return Role.DEK if i & _THREE_KEYS else Role.ENC


def session_context(host_challenge: bytes, card: InitializeUpdateResponse) -> bytes:
    """Return 16 bytes: sequence counter (2) ‖ card challenge (6) ‖ host challenge (8).

    Session keys depend on the first two bytes; cryptograms on all of them.
    """
    return card.sequence_counter + card.card_challenge + host_challenge


def session_keys(
    card_keys: Mapping[Role, K], context: bytes, i: int, level: SecurityLevel
) -> SessionKeys[K]:
    """Derive the session keys that the static keys at hand allow (section E.4.1)."""
    static_mac = card_keys[Role.MAC if i & _THREE_KEYS else Role.ENC]
    mac = mac_keys(static_mac, _derivation_data(_C_MAC_CONSTANT, context))
    rmac = None
    if level & SecurityLevel.R_MAC:
        rmac = mac_keys(static_mac, _derivation_data(_R_MAC_CONSTANT, context))
    enc = None
    if Role.ENC in card_keys:
        data = _derivation_data(_S_ENC_CONSTANT, context)
        enc = card_keys[Role.ENC].derive_cbc(data, Algorithm.DES2, Use.SESSION_ENC)
    return SessionKeys(mac, enc, rmac)


def data_encryption_key(static: K, context: bytes) -> K:
    """Return the DEK session key, which encrypts keys and data for the card (E.4.1)."""
    return static.derive_cbc(_derivation_data(_DEK_CONSTANT, context), Algorithm.DES2, Use.DEK)


def session_key(static: K, wanted: SessionKey, sequence_counter: bytes) -> K:
    """Return one session key alone, which depends on the 2 bytes of the counter (E.4.1)."""
    use = Use.DEK if wanted is SessionKey.DEK else Use.SESSION_ENC
    return static.derive_cbc(_derivation_data(wanted.value, sequence_counter), Algorithm.DES2, use)


def deliverable_keys(keys: SessionKeys[K]) -> dict[str, K]:
    """Return the session keys that a caller needs to go on by itself, by name."""
    named = {"mac": keys.mac.whole}
    if keys.enc is not None:
        named["enc"] = keys.enc
    if keys.rmac is not None:
        named["rmac"] = keys.rmac.whole
    return named


def card_cryptogram(keys: SessionKeys[K], context: bytes) -> bytes:
    """Return the 8 bytes that a card with these keys answers with (section E.4.2.1)."""
    return full_mac(_s_enc(keys), context[8:] + context[:8])


def host_cryptogram(keys: SessionKeys[K], context: bytes) -> bytes:
    """Return the 8 bytes that prove the host's keys to the card (section E.4.2.2)."""
    return full_mac(_s_enc(keys), context)


def external_authenticate(
    keys: SessionKeys[K], cryptogram: bytes, i: int, level: SecurityLevel
) -> tuple[ChannelState, CommandApdu]:
    """Build EXTERNAL AUTHENTICATE, and the state of the channel that it opens (E.5.2)."""
    command = CommandApdu(0x80, 0x82, level, 0x00, cryptogram)
    mac = retail_mac(keys.mac, secured_header(command, 16) + cryptogram, bytes(8))
    state = ChannelState(i, level, commands=0, responses=0, mac_chaining=mac, response_chaining=mac)
    return state, secured_command(command, cryptogram + mac)


def wrap(
    keys: SessionKeys[K], state: ChannelState, command: CommandApdu
) -> tuple[ChannelState, CommandApdu]:
    """Protect one command: C-MAC over the plain data, then C-ENC (sections E.4.4 and E.4.6).

    Raises:
        ServiceError: `apdu-invalid`, `apdu-too-long`, `session-closed`.
        ValueError: the level wants C-ENC and the keys have no S-ENC.
    """
    counted = begin_command(state, command)
    if not state.level & SecurityLevel.C_MAC:
        return counted, command
    header = secured_header(command, len(command.data) + MAC_LENGTH)
    icv = state.mac_chaining
    if state.i & _ICV_ENCRYPTION:
        icv = keys.mac.first_half.encrypt_ecb(icv)
    mac = retail_mac(keys.mac, header + command.data, icv)
    data = command.data
    if data and state.level & SecurityLevel.C_ENC:
        data = _s_enc(keys).encrypt_cbc(pad(data, 8), bytes(8))
        require_short(command, len(data) + MAC_LENGTH)
    outstanding = state.outstanding
    if state.level & SecurityLevel.R_MAC:
        outstanding = (*outstanding, _stripped(command))
    moved = replace(counted, mac_chaining=mac, outstanding=outstanding)
    return moved, secured_command(command, data + mac)


def unwrap(
    keys: SessionKeys[K], state: ChannelState, response: bytes
) -> tuple[ChannelState, Response]:
    """Check and remove a response's R-MAC, which error responses have, too (E.4.5).

    Raises:
        ServiceError: `response-invalid`, `session-closed`.
        ValueError: the level wants R-MAC and the keys were not derived.
    """
    received = begin_response(state, response)
    moved = after_response(state, received.status)
    if not state.level & SecurityLevel.R_MAC:
        return moved, received
    if keys.rmac is None:
        raise ValueError("the channel's level asks for R-MAC, and its key was not derived")
    data, mac = received.data[:-MAC_LENGTH], received.data[-MAC_LENGTH:]
    covered = state.outstanding[0] + bytes([len(data) & 0xFF]) + data + received.status
    expected = retail_mac(keys.rmac, covered, state.response_chaining)
    if not compare_digest(expected, mac):
        raise bad_response("the R-MAC is wrong")
    return replace(moved, response_chaining=expected), Response(
        data, received.status, protected=True
    )


def _derivation_data(constant: bytes, context: bytes) -> bytes:
    return constant + context[:2] + bytes(12)


def _s_enc(keys: SessionKeys[K]) -> K:
    if keys.enc is None:
        raise ValueError("S-ENC is needed, and was not derived")
    return keys.enc


def _stripped(command: CommandApdu) -> bytes:
    """Return the command as an R-MAC covers it: without C-MAC, channel number and Le."""
    cla = command.cla & ~0x07
    header = bytes([cla, command.ins, command.p1, command.p2, len(command.data)])
    return header + command.data
