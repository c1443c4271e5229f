"""Secure Channel Protocol 03 with 8-byte challenges, the host's side.

GlobalPlatform Card Specification, Amendment D 1.1.1. Clauses are cited where they are used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from tmsd.globalplatform.apdu import CommandApdu, require_unprotected
from tmsd.globalplatform.channel import (
    MAC_LENGTH,
    ChannelState,
    SecurityLevel,
    pad,
    secured_command,
    secured_header,
)
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse
from tmsd.globalplatform.keys import CounterInput, Key, Use

K = TypeVar("K", bound=Key)

IMPLEMENTATIONS = (0x00, 0x10, 0x20, 0x30, 0x60, 0x70)
CONTEXT_LENGTH = 16
CHAINING_LENGTH = 16
OPENING_ROLES = (Role.MAC,)

# Data derivation constants, table 4-1
_CARD_CRYPTOGRAM = 0x00
_HOST_CRYPTOGRAM = 0x01
_S_ENC = 0x04
_S_MAC = 0x06


@dataclass(frozen=True, slots=True)
class SessionKeys(Generic[K]):
    """S-MAC, and S-ENC where the static ENC key was at hand."""

    mac: K
    enc: K | None


def messaging_roles(level: SecurityLevel) -> tuple[Role, ...]:
    """Say which static keys the commands of a channel at `level` need."""
    return (Role.MAC, Role.ENC) if level & SecurityLevel.C_ENC else (Role.MAC,)


def session_context(host_challenge: bytes, card: InitializeUpdateResponse) -> bytes:
    """Return the 16 bytes that session keys depend on: host challenge ‖ card challenge."""
    return host_challenge + card.card_challenge


def session_keys(card_keys: Mapping[Role, K], context: bytes) -> SessionKeys[K]:
    """Derive the session keys that the static keys at hand allow (section 6.2.1)."""
    (mac,) = _session_key(card_keys[Role.MAC], _S_MAC, context, Use.SESSION_MAC)
    if Role.ENC not in card_keys:
        return SessionKeys(mac, None)
    (enc,) = _session_key(card_keys[Role.ENC], _S_ENC, context, Use.SESSION_ENC)
    return SessionKeys(mac, enc)


def card_cryptogram(keys: SessionKeys[K], context: bytes) -> bytes:
    """Return the 8 bytes that a card with these keys answers with (section 6.2.2.2)."""
    return _cryptogram(keys.mac, _CARD_CRYPTOGRAM, context)


def host_cryptogram(keys: SessionKeys[K], context: bytes) -> bytes:
    """Return the 8 bytes that prove the host's keys to the card (section 6.2.2.3)."""
    return _cryptogram(keys.mac, _HOST_CRYPTOGRAM, context)


def external_authenticate(
    keys: SessionKeys[K], cryptogram: bytes, level: SecurityLevel
) -> tuple[ChannelState, CommandApdu]:
    """Build EXTERNAL AUTHENTICATE, and the state of the channel that it opens (7.1.2)."""
    command = CommandApdu(0x80, 0x82, level, 0x00, cryptogram)
    chaining, data = _add_mac(keys, bytes(CHAINING_LENGTH), command, cryptogram)
    return ChannelState(level, 0, chaining), secured_command(command, data)


def wrap(
    keys: SessionKeys[K], state: ChannelState, command: CommandApdu
) -> tuple[ChannelState, CommandApdu]:
    """Protect one command (sections 6.2.4 and 6.2.6).

    Raises:
        ServiceError: `apdu-invalid`, `apdu-too-long`.
        ValueError: the level wants C-ENC and the keys have no S-ENC.
    """
    require_unprotected(command)
    counted = replace(state, commands=state.commands + 1)
    if not state.level & SecurityLevel.C_MAC:
        return counted, command
    data = command.data
    if data and state.level & SecurityLevel.C_ENC:
        data = _encrypt(keys, counted.commands, data)
    chaining, data = _add_mac(keys, state.mac_chaining, command, data)
    return replace(counted, mac_chaining=chaining), secured_command(command, data)


def _session_key(static: K, constant: int, context: bytes, use: Use) -> tuple[K, ...]:
    fixed = _derivation_data(constant, static.algorithm.length * 8, context)
    return static.derive_counter([fixed], static.algorithm, use)


def _derivation_data(constant: int, bits: int, context: bytes) -> CounterInput:
    """Section 4.1.5: label (eleven 00, constant) ‖ 00 ‖ L ‖ i ‖ context."""
    label = bytes(11) + bytes([constant])
    return CounterInput(label + b"\x00" + bits.to_bytes(2, "big"), context)


def _cryptogram(mac: K, constant: int, context: bytes) -> bytes:
    fixed = _derivation_data(constant, MAC_LENGTH * 8, context)
    return mac.cmac(fixed.block(1))[:MAC_LENGTH]


def _add_mac(
    keys: SessionKeys[K], chaining: bytes, command: CommandApdu, data: bytes
) -> tuple[bytes, bytes]:
    header = secured_header(command, len(data) + MAC_LENGTH)
    mac = keys.mac.cmac(chaining + header + data)
    return mac, data + mac[:MAC_LENGTH]


def _encrypt(keys: SessionKeys[K], counter: int, data: bytes) -> bytes:
    """Section 6.2.6: the ICV is the encrypted command counter, which begins with 1."""
    if keys.enc is None:
        raise ValueError("the channel's level asks for C-ENC, and S-ENC was not derived")
    icv = keys.enc.encrypt_ecb(counter.to_bytes(16, "big"))
    return keys.enc.encrypt_cbc(pad(data, 16), icv)
