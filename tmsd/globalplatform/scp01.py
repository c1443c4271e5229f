"""Secure Channel Protocol 01 with i=05 and i=15, the host's side.

Open Platform Card Specification 2.1.1, annex D. Bit 10 of i: the ICV of a C-MAC is
encrypted, with triple DES and the C-MAC session key (D.1.5).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import (
    MAC_LENGTH,
    ChannelState,
    Response,
    SecurityLevel,
    after_response,
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
from tmsd.globalplatform.triple_des_mac import full_mac

K = TypeVar("K", bound=Key)

_ICV_ENCRYPTION = 0x10

IMPLEMENTATIONS: tuple[int, ...] = (0x05, 0x15)
DEK_IS_STATIC = True


@dataclass(frozen=True, slots=True)
class SessionKeys(Generic[K]):
    """The C-MAC session key, and S-ENC where the static ENC key was at hand."""

    mac: K
    enc: K | None


def levels(_i: int) -> frozenset[SecurityLevel]:
    """Return the security levels of the protocol (table D-5)."""
    return frozenset({SecurityLevel.C_MAC, SecurityLevel.C_MAC | SecurityLevel.C_ENC})


def encrypts_icv(i: int) -> bool:
    """Say whether the caller of `wrap` cannot foresee what the next C-MAC starts from.

    Where it can, C-MACs of commands that were never sent combine to one of any command.
    """
    return bool(i & _ICV_ENCRYPTION)


def challenge_length(_i: int) -> int:
    """Return the length of challenges and cryptograms, 8 bytes."""
    return 8


def opening_roles(_i: int) -> tuple[Role, ...]:
    """Say which static keys opening a channel needs."""
    return (Role.MAC, Role.ENC)


def messaging_roles(_i: int, level: SecurityLevel) -> tuple[Role, ...]:
    """Say which static keys commands at `level` need."""
    return (Role.MAC, Role.ENC) if level & SecurityLevel.C_ENC else (Role.MAC,)


def card_roles(_i: int) -> tuple[Role, ...]:
    """Say which static keys a card has, in the order of PUT KEY."""
    return tuple(Role)


def dek_role(_i: int) -> Role:
    """Say which static key encrypts keys and data for the card."""
    return Role.DEK


def session_context(host_challenge: bytes, card: InitializeUpdateResponse) -> bytes:
    """Return 16 bytes: card challenge ‖ host challenge."""
    return card.card_challenge + host_challenge


def session_keys(
    card_keys: Mapping[Role, K], context: bytes, _i: int, _level: SecurityLevel
) -> SessionKeys[K]:
    """Derive the session keys that the static keys at hand allow (section D.3.1)."""
    card, host = context[:8], context[8:]
    data = card[4:] + host[:4] + card[:4] + host[4:]
    mac = card_keys[Role.MAC].derive_ecb(data, Algorithm.DES2, Use.SESSION_MAC)
    if Role.ENC not in card_keys:
        return SessionKeys(mac, None)
    return SessionKeys(mac, card_keys[Role.ENC].derive_ecb(data, Algorithm.DES2, Use.SESSION_ENC))


def data_encryption_key(static: K, _context: bytes) -> K:
    """Return the key that encrypts keys and data for the card: the static DEK itself."""
    return static


def deliverable_keys(keys: SessionKeys[K]) -> dict[str, K]:
    """Return the session keys that a caller needs to go on by itself, by name."""
    return {"mac": keys.mac} | ({"enc": keys.enc} if keys.enc is not None else {})


def card_cryptogram(keys: SessionKeys[K], context: bytes) -> bytes:
    """Return the 8 bytes that a card with these keys answers with (section D.3.2.1)."""
    return full_mac(_s_enc(keys), context[8:] + context[:8])


def host_cryptogram(keys: SessionKeys[K], context: bytes) -> bytes:
    """Return the 8 bytes that prove the host's keys to the card (section D.3.2.2)."""
    return full_mac(_s_enc(keys), context)


def external_authenticate(
    keys: SessionKeys[K], cryptogram: bytes, i: int, level: SecurityLevel
) -> tuple[ChannelState, CommandApdu]:
    """Build EXTERNAL AUTHENTICATE, and the state of the channel that it opens (D.4.2)."""
    command = CommandApdu(0x80, 0x82, level, 0x00, cryptogram)
    mac = full_mac(keys.mac, secured_header(command, 16) + cryptogram)
    state = ChannelState(i, level, commands=0, responses=0, mac_chaining=mac)
    return state, secured_command(command, cryptogram + mac)


def wrap(
    keys: SessionKeys[K], state: ChannelState, command: CommandApdu
) -> tuple[ChannelState, CommandApdu]:
    """Protect one command: C-MAC over the plain data, then C-ENC (sections D.3.3, D.3.4).

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
        icv = keys.mac.encrypt_ecb(icv)
    mac = full_mac(keys.mac, header + command.data, icv)
    data = command.data
    if data and state.level & SecurityLevel.C_ENC:
        data = _s_enc(keys).encrypt_cbc(_padded_with_length(data), bytes(8))
        require_short(command, len(data) + MAC_LENGTH)
    return replace(counted, mac_chaining=mac), secured_command(command, data + mac)


def unwrap(
    _keys: SessionKeys[K], state: ChannelState, response: bytes
) -> tuple[ChannelState, Response]:
    """Count a response; the protocol does not protect them.

    Raises:
        ServiceError: `response-invalid`, `session-closed`.
    """
    received = begin_response(state, response)
    return after_response(state, received.status), received


def _padded_with_length(data: bytes) -> bytes:
    """Put the data's length before them, and pad only what is no whole block (D.3.4)."""
    counted = bytes([len(data)]) + data
    return counted if len(counted) % 8 == 0 else pad(counted, 8)


def _s_enc(keys: SessionKeys[K]) -> K:
    if keys.enc is None:
        raise ValueError("S-ENC is needed, and was not derived")
    return keys.enc
