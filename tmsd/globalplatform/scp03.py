"""Secure Channel Protocol 03, the host's side, with 8-byte (S8) and 16-byte (S16) challenges.

GlobalPlatform Card Specification, Amendment D 1.1.1; S16 (bit 01 of i) came with 1.2: its
challenges, cryptograms and MACs have 16 bytes. Clauses are cited where they are used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from hmac import compare_digest
from typing import Generic, TypeVar

from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import (
    ChannelState,
    Response,
    SecurityLevel,
    after_response,
    bad_response,
    begin_command,
    begin_response,
    pad,
    secured_command,
    secured_header,
    unpad,
)
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse
from tmsd.globalplatform.keys import Algorithm, CounterInput, Key, Use

K = TypeVar("K", bound=Key)

_S16 = 0x01
_R_MAC = 0x20
_R_ENC = 0x40

_S8_IMPLEMENTATIONS = (0x00, 0x10, 0x20, 0x30, 0x60, 0x70)
IMPLEMENTATIONS: tuple[int, ...] = (
    *_S8_IMPLEMENTATIONS,
    *(i | _S16 for i in _S8_IMPLEMENTATIONS),
)
DEK_IS_STATIC = True

# Data derivation constants, table 4-1
_CARD_CRYPTOGRAM = 0x00
_HOST_CRYPTOGRAM = 0x01
_S_ENC = 0x04
_S_MAC = 0x06
_S_RMAC = 0x07


@dataclass(frozen=True, slots=True)
class SessionKeys(Generic[K]):
    """S-MAC, and what else the security level needs."""

    mac: K
    enc: K | None
    rmac: K | None


@cache
def levels(i: int) -> frozenset[SecurityLevel]:
    """Return the security levels that cards of this implementation have (table 5-1)."""
    level = SecurityLevel
    served = {level.C_MAC, level.C_MAC | level.C_ENC}
    if i & _R_MAC:
        served |= {each | level.R_MAC for each in served}
    if i & _R_ENC:
        served |= {level.C_MAC | level.C_ENC | level.R_MAC | level.R_ENC}
    return frozenset(served)


def encrypts_icv(_i: int) -> bool:
    """Say that C-MACs do not combine: CMAC is no plain CBC-MAC."""
    return True


def challenge_length(i: int) -> int:
    """Return the length of challenges, cryptograms and MACs: 8 or 16 bytes."""
    return 16 if i & _S16 else 8


def opening_roles(_i: int) -> tuple[Role, ...]:
    """Say which static keys opening a channel needs."""
    return (Role.MAC,)


def messaging_roles(_i: int, level: SecurityLevel) -> tuple[Role, ...]:
    """Say which static keys commands and responses at `level` need."""
    encrypts = level & (SecurityLevel.C_ENC | SecurityLevel.R_ENC)
    return (Role.MAC, Role.ENC) if encrypts else (Role.MAC,)


def card_roles(_i: int) -> tuple[Role, ...]:
    """Say which static keys a card has, in the order of PUT KEY."""
    return tuple(Role)


def dek_role(_i: int) -> Role:
    """Say which static key encrypts keys and data for the card."""
    return Role.DEK


def session_context(host_challenge: bytes, card: InitializeUpdateResponse) -> bytes:
    """Return the 16 or 32 bytes that session keys depend on: host challenge ‖ card challenge."""
    return host_challenge + card.card_challenge


def session_keys(
    card_keys: Mapping[Role, K],
    context: bytes,
    _i: int,
    level: SecurityLevel,
    algorithm: Algorithm | None = None,
) -> SessionKeys[K]:
    """Derive the session keys that the static keys at hand allow (section 6.2.1).

    By it they are as long as the static keys, unless `algorithm` says otherwise.
    """
    static = card_keys[Role.MAC]
    into = algorithm or static.algorithm
    wanted = (_S_MAC, _S_RMAC) if level & SecurityLevel.R_MAC else (_S_MAC,)
    mac, *rmac = _session_keys(static, wanted, context, into, Use.SESSION_MAC)
    if Role.ENC not in card_keys:
        return SessionKeys(mac, None, rmac[0] if rmac else None)
    (enc,) = _session_keys(card_keys[Role.ENC], (_S_ENC,), context, into, Use.SESSION_ENC)
    return SessionKeys(mac, enc, rmac[0] if rmac else None)


def data_encryption_key(static: K, _context: bytes) -> K:
    """Return the key that encrypts keys and data for the card: the static DEK itself."""
    return static


def deliverable_keys(keys: SessionKeys[K]) -> dict[str, K]:
    """Return the session keys that a caller needs to go on by itself, by name."""
    named = {"mac": keys.mac}
    if keys.enc is not None:
        named["enc"] = keys.enc
    if keys.rmac is not None:
        named["rmac"] = keys.rmac
    return named


def card_cryptogram(keys: SessionKeys[K], context: bytes) -> bytes:
    """Return the 8 or 16 bytes that a card with these keys answers with (6.2.2.2)."""
    return _cryptogram(keys.mac, _CARD_CRYPTOGRAM, context)


def host_cryptogram(keys: SessionKeys[K], context: bytes) -> bytes:
    """Return the 8 or 16 bytes that prove the host's keys to the card (6.2.2.3)."""
    return _cryptogram(keys.mac, _HOST_CRYPTOGRAM, context)


def external_authenticate(
    keys: SessionKeys[K], cryptogram: bytes, i: int, level: SecurityLevel
) -> tuple[ChannelState, CommandApdu]:
    """Build EXTERNAL AUTHENTICATE, and the state of the channel that it opens (7.1.2)."""
    command = CommandApdu(0x80, 0x82, level, 0x00, cryptogram)
    chaining, data = _add_mac(keys, challenge_length(i), bytes(16), command, cryptogram)
    opened = ChannelState(i, level, commands=0, responses=0, mac_chaining=chaining)
    return opened, secured_command(command, data)


def wrap(
    keys: SessionKeys[K], state: ChannelState, command: CommandApdu
) -> tuple[ChannelState, CommandApdu]:
    """Protect one command (sections 6.2.4 and 6.2.6).

    Raises:
        ServiceError: `apdu-invalid`, `apdu-too-long`, `session-closed`.
        ValueError: the level wants C-ENC and the keys have no S-ENC.
    """
    counted = begin_command(state, command)
    if not state.level & SecurityLevel.C_MAC:
        return counted, command
    data = command.data
    if data and state.level & SecurityLevel.C_ENC:
        data = _encrypt(keys, counted.commands, data)
    length = challenge_length(state.i)
    chaining, data = _add_mac(keys, length, state.mac_chaining, command, data)
    outstanding = state.outstanding
    if state.level & SecurityLevel.R_MAC:
        outstanding = (*outstanding, chaining)
    moved = replace(counted, mac_chaining=chaining, outstanding=outstanding)
    return moved, secured_command(command, data)


def unwrap(
    keys: SessionKeys[K], state: ChannelState, response: bytes
) -> tuple[ChannelState, Response]:
    """Check and remove a response's protection (sections 6.2.5 and 6.2.7).

    An error status word comes alone and unprotected: the specification has it so.

    Raises:
        ServiceError: `response-invalid`, `session-closed`.
        ValueError: the level wants R-MAC or R-ENC and the keys were not derived.
    """
    received = begin_response(state, response)
    moved = after_response(state, received.status)
    if not state.level & SecurityLevel.R_MAC:
        return moved, received
    if _is_error(received.status):
        if received.data:
            raise bad_response("an error status word comes with data")
        return moved, received
    data = _checked(keys, state, received)
    if data and state.level & SecurityLevel.R_ENC:
        data = _decrypt(keys, moved.responses, data)
    return moved, Response(data, received.status, protected=True)


def _session_keys(
    static: K, constants: tuple[int, ...], context: bytes, into: Algorithm, use: Use
) -> tuple[K, ...]:
    inputs = [_derivation_data(constant, into.length * 8, context) for constant in constants]
    return static.derive_counter(inputs, into, use)


def _derivation_data(constant: int, bits: int, context: bytes) -> CounterInput:
    """Section 4.1.5: label (eleven 00, constant) ‖ 00 ‖ L ‖ i ‖ context."""
    return CounterInput(_before_counter(constant, bits), context)


@cache
def _before_counter(constant: int, bits: int) -> bytes:
    return bytes(11) + bytes([constant, 0]) + bits.to_bytes(2, "big")


def _cryptogram(mac: K, constant: int, context: bytes) -> bytes:
    length = len(context) // 2
    return mac.cmac(_derivation_data(constant, length * 8, context).block(1))[:length]


def _add_mac(
    keys: SessionKeys[K], length: int, chaining: bytes, command: CommandApdu, data: bytes
) -> tuple[bytes, bytes]:
    header = secured_header(command, len(data) + length)
    mac = keys.mac.cmac(chaining + header + data)
    return mac, data + mac[:length]


def _checked(keys: SessionKeys[K], state: ChannelState, received: Response) -> bytes:
    """Section 6.2.5: the R-MAC covers its command's C-MAC, the data and the status word."""
    if keys.rmac is None:
        raise ValueError("the channel's level asks for R-MAC, and S-RMAC was not derived")
    length = challenge_length(state.i)
    data, mac = received.data[:-length], received.data[-length:]
    expected = keys.rmac.cmac(state.outstanding[0] + data + received.status)
    if not compare_digest(expected[:length], mac):
        raise bad_response("the R-MAC is wrong")
    return data


def _encrypt(keys: SessionKeys[K], counter: int, data: bytes) -> bytes:
    """Section 6.2.6: the ICV is the encrypted command counter, which begins with 1."""
    enc = _s_enc(keys)
    return enc.encrypt_cbc(pad(data, 16), enc.encrypt_ecb(counter.to_bytes(16, "big")))


def _decrypt(keys: SessionKeys[K], counter: int, data: bytes) -> bytes:
    """Section 6.2.7: the ICV is the encrypted command counter, its first byte 80."""
    if len(data) % 16:
        raise bad_response("the encrypted response has no whole blocks")
    enc = _s_enc(keys)
    icv = enc.encrypt_ecb(b"\x80" + counter.to_bytes(15, "big"))
    return unpad(enc.decrypt_cbc(data, icv))


def _s_enc(keys: SessionKeys[K]) -> K:
    if keys.enc is None:
        raise ValueError("the channel's level asks for encryption, and S-ENC was not derived")
    return keys.enc


def _is_error(status: bytes) -> bool:
    return status != b"\x90\x00" and status[0] not in (0x62, 0x63)
