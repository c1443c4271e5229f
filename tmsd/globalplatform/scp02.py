"""Secure Channel Protocol 02 with i=15, the host's side.

GlobalPlatform Card Specification 2.3.1, annex E. i=15: three keys, C-MAC on the modified
APDU, explicit initiation, ICV zero at first and encrypted from then on.
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
    require_short,
    secured_command,
    secured_header,
)
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse
from tmsd.globalplatform.keys import Algorithm, Key, Use

K = TypeVar("K", bound=Key)

IMPLEMENTATIONS = (0x15,)
CONTEXT_LENGTH = 16
CHAINING_LENGTH = 8
OPENING_ROLES = (Role.MAC, Role.ENC)

# Derivation constants, section E.4.1
_S_ENC = b"\x01\x82"
_C_MAC = b"\x01\x01"


@dataclass(frozen=True, slots=True)
class SessionKeys(Generic[K]):
    """The C-MAC session key, and S-ENC where the static ENC key was at hand.

    Attributes:
        mac: K1 ‖ K2, for the last block of a retail MAC.
        mac_first_half: K1 ‖ K1, which makes single DES out of 3DES for the blocks before.
        enc: S-ENC.
    """

    mac: K
    mac_first_half: K
    enc: K | None


def messaging_roles(level: SecurityLevel) -> tuple[Role, ...]:
    """Say which static keys the commands of a channel at `level` need."""
    return (Role.MAC, Role.ENC) if level & SecurityLevel.C_ENC else (Role.MAC,)


def session_context(host_challenge: bytes, card: InitializeUpdateResponse) -> bytes:
    """Return 16 bytes: sequence counter (2) ‖ card challenge (6) ‖ host challenge (8).

    Session keys depend on the first two bytes; cryptograms on all of them.
    """
    return card.sequence_counter + card.card_challenge + host_challenge


def session_keys(card_keys: Mapping[Role, K], context: bytes) -> SessionKeys[K]:
    """Derive the session keys that the static keys at hand allow (section E.4.1)."""
    static_mac = card_keys[Role.MAC]
    data = _derivation_data(_C_MAC, context)
    mac = static_mac.derive_cbc(data, Algorithm.DES2, Use.SESSION_MAC)
    # CBC with a zero IV begins as ECB does: the first block alone, twice, gives K1 ‖ K1.
    first_half = static_mac.derive_ecb(data[:8] * 2, Algorithm.DES2, Use.SESSION_MAC)
    if Role.ENC not in card_keys:
        return SessionKeys(mac, first_half, None)
    data = _derivation_data(_S_ENC, context)
    enc = card_keys[Role.ENC].derive_cbc(data, Algorithm.DES2, Use.SESSION_ENC)
    return SessionKeys(mac, first_half, enc)


def card_cryptogram(keys: SessionKeys[K], context: bytes) -> bytes:
    """Return the 8 bytes that a card with these keys answers with (section E.4.2.1)."""
    return _full_mac(_s_enc(keys), context[8:] + context[:8])


def host_cryptogram(keys: SessionKeys[K], context: bytes) -> bytes:
    """Return the 8 bytes that prove the host's keys to the card (section E.4.2.2)."""
    return _full_mac(_s_enc(keys), context)


def external_authenticate(
    keys: SessionKeys[K], cryptogram: bytes, level: SecurityLevel
) -> tuple[ChannelState, CommandApdu]:
    """Build EXTERNAL AUTHENTICATE, and the state of the channel that it opens (E.5.2)."""
    command = CommandApdu(0x80, 0x82, level, 0x00, cryptogram)
    mac = _retail_mac(keys, secured_header(command, 16) + cryptogram, bytes(8))
    return ChannelState(level, 0, mac), secured_command(command, cryptogram + mac)


def wrap(
    keys: SessionKeys[K], state: ChannelState, command: CommandApdu
) -> tuple[ChannelState, CommandApdu]:
    """Protect one command: C-MAC over the plain data, then C-ENC (sections E.4.4 and E.4.6).

    Raises:
        ServiceError: `apdu-invalid`, `apdu-too-long`.
        ValueError: the level wants C-ENC and the keys have no S-ENC.
    """
    require_unprotected(command)
    counted = replace(state, commands=state.commands + 1)
    if not state.level & SecurityLevel.C_MAC:
        return counted, command
    header = secured_header(command, len(command.data) + MAC_LENGTH)
    icv = keys.mac_first_half.encrypt_ecb(state.mac_chaining)
    mac = _retail_mac(keys, header + command.data, icv)
    data = command.data
    if data and state.level & SecurityLevel.C_ENC:
        data = _s_enc(keys).encrypt_cbc(pad(data, 8), bytes(8))
        require_short(command, len(data) + MAC_LENGTH)
    return replace(counted, mac_chaining=mac), secured_command(command, data + mac)


def _derivation_data(constant: bytes, context: bytes) -> bytes:
    return constant + context[:2] + bytes(12)


def _s_enc(keys: SessionKeys[K]) -> K:
    if keys.enc is None:
        raise ValueError("S-ENC is needed, and was not derived")
    return keys.enc


def _full_mac(key: K, data: bytes) -> bytes:
    """Full triple DES MAC (section B.1.2.1), zero ICV."""
    return key.encrypt_cbc(pad(data, 8), bytes(8))[-MAC_LENGTH:]


def _retail_mac(keys: SessionKeys[K], data: bytes, icv: bytes) -> bytes:
    """Single DES plus final triple DES MAC (section B.1.2.2)."""
    padded = pad(data, 8)
    before, last = padded[:-8], padded[-8:]
    chained = keys.mac_first_half.encrypt_cbc(before, icv)[-8:] if before else icv
    return keys.mac.encrypt_cbc(last, chained)
