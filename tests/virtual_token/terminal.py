"""The other end of a channel, for the tests: a host that has the card's keys, in any protocol.

It composes its messages by itself, but of the card's own ciphers and key derivations; so it
shows what the card does with right and wrong commands, and the traces show that the two are
not wrong together.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tests.pcsc.apdu import Command
from tests.virtual_token import scp01, scp02, scp03
from tests.virtual_token.card import Card
from tests.virtual_token.channel import C_DECRYPTION, C_MAC, R_ENCRYPTION, R_MAC
from tests.virtual_token.coprocessor import (
    aes_cbc_decrypt,
    aes_cbc_encrypt,
    aes_cmac,
    aes_ecb_encrypt,
    des3_cbc_encrypt,
    des3_ecb_encrypt,
    des3_mac,
    des_cbc_encrypt,
    pad80,
    retail_mac,
    unpad80,
)
from tests.virtual_token.keyring import DES, KeyGroup

Transmit = Callable[[bytes], bytes]
OK = bytes.fromhex("9000")


@dataclass(frozen=True, slots=True)
class Opening:
    """What both ends know when EXTERNAL AUTHENTICATE is due."""

    group: KeyGroup
    level: int
    host_challenge: bytes
    answer: bytes  # to INITIALIZE UPDATE, without the status word


class DesTerminal:
    """SCP01 or SCP02."""

    block = 8

    def __init__(self, opening: Opening) -> None:
        self._scp, self._i, self.level = opening.group.scp, opening.group.i, opening.level
        keys, host, card = opening.group.key_set(), opening.host_challenge, opening.answer[12:20]
        self._r_mac_key = b""
        if self._scp == 1:
            self._enc = scp01.session_key(keys.enc, host, card)
            self._mac_key, self._dek = scp01.session_key(keys.mac, host, card), keys.dek
        else:
            base_key = scp02.options(self._i).base_key
            session = scp02.session_keys(keys, card[:2], base_key=base_key)
            self._enc, self._mac_key, self._r_mac_key = session.enc, session.c_mac, session.r_mac
            self._dek = session.dek
        assert opening.answer[20:] == des3_mac(self._enc, host + card)
        self.cryptogram = des3_mac(self._enc, card + host)
        self._last_mac = b""
        self._last_r_mac = b""
        self._sent = b""

    def external_authenticate(self) -> bytes:
        """Return the command."""
        return self._protect(Command(0x80, 0x82, self.level, 0x00, self.cryptogram), C_MAC)

    def wrap(self, command: Command) -> bytes:
        """Return the command as the level has it."""
        return self._protect(command, self.level)

    def unwrap(self, answer: bytes) -> bytes:
        """Check the R-MAC, if there is one, and return the response without it."""
        if not self.level & R_MAC:
            return answer
        data, mac, status_word = answer[:-10], answer[-10:-2], answer[-2:]
        block = self._sent + bytes([len(data)]) + data + status_word
        self._last_r_mac = retail_mac(self._r_mac_key, block, self._last_r_mac)
        assert mac == self._last_r_mac
        return data + status_word

    def encrypt(self, data: bytes) -> bytes:
        """Encrypt under the data encryption key."""
        return des3_ecb_encrypt(self._dek, data)

    def _protect(self, command: Command, level: int) -> bytes:
        if not level & C_MAC:
            return command.encode()
        parameters, length = bytes([command.ins, command.p1, command.p2]), len(command.data)
        self._sent = bytes([command.cla]) + parameters + bytes([length]) + command.data
        cla = command.cla | 0x04
        header = bytes([cla]) + parameters + bytes([length + 8])
        calculate = des3_mac if self._scp == 1 else retail_mac
        mac = calculate(self._mac_key, header + command.data, self._icv())
        self._last_r_mac = self._last_r_mac or mac
        self._last_mac = mac
        body = self._encrypt(command.data) if level & C_DECRYPTION else command.data
        return replace(command, cla=cla, data=body + mac).encode()

    def _icv(self) -> bytes:
        if not self._last_mac:
            return bytes(8)
        if not self._i & 0x10:
            return self._last_mac
        if self._scp == 1:
            return des3_ecb_encrypt(self._mac_key, self._last_mac)
        return des_cbc_encrypt(self._mac_key[:8], self._last_mac)

    def _encrypt(self, data: bytes) -> bytes:
        if not data:
            return b""
        if self._scp == 1:
            data = bytes([len(data)]) + data
            return des3_cbc_encrypt(self._enc, pad80(data, 8) if len(data) % 8 else data)
        return des3_cbc_encrypt(self._enc, pad80(data, 8))


class AesTerminal:
    """SCP03, in either mode."""

    block = 16

    def __init__(self, opening: Opening) -> None:
        keys, self.level = opening.group.key_set(), opening.level
        self._length = length = len(opening.host_challenge)
        context = opening.host_challenge + opening.answer[13 : 13 + length]
        self._enc = scp03.derive(keys.enc, scp03.S_ENC, context, len(keys.enc))
        self._mac = scp03.derive(keys.mac, scp03.S_MAC, context, len(keys.mac))
        self._rmac = scp03.derive(keys.mac, scp03.S_RMAC, context, len(keys.mac))
        self._dek = keys.dek
        cryptogram = scp03.derive(self._mac, scp03.CARD_CRYPTOGRAM, context, length)
        assert opening.answer[13 + length : 13 + 2 * length] == cryptogram
        self.cryptogram = scp03.derive(self._mac, scp03.HOST_CRYPTOGRAM, context, length)
        self._chain = bytes(16)
        self._counter = 0

    def external_authenticate(self) -> bytes:
        """Return the command."""
        return self._sign(Command(0x80, 0x82, self.level, 0x00, self.cryptogram))

    def wrap(self, command: Command) -> bytes:
        """Return the command as the level has it."""
        if not self.level & C_MAC:
            return command.encode()
        self._counter += 1
        if command.data and self.level & C_DECRYPTION:
            padded = pad80(command.data, 16)
            command = replace(command, data=aes_cbc_encrypt(self._enc, padded, self._icv(0x00)))
        return self._sign(command)

    def unwrap(self, answer: bytes) -> bytes:
        """Check the R-MAC, if there is one, decrypt, and return the response."""
        if not self.level & R_MAC or answer[-2:] != OK:
            return answer
        end = len(answer) - 2 - self._length
        data, mac = answer[:end], answer[end:-2]
        assert mac == aes_cmac(self._rmac, self._chain + data + OK)[: self._length]
        if data and self.level & R_ENCRYPTION:
            data = unpad80(aes_cbc_decrypt(self._enc, data, self._icv(0x80)))
        return data + OK

    def encrypt(self, data: bytes) -> bytes:
        """Encrypt under the data encryption key."""
        return aes_cbc_encrypt(self._dek, data, bytes(16))

    def _sign(self, command: Command) -> bytes:
        cla, length = command.cla | 0x04, len(command.data) + self._length
        header = bytes([cla, command.ins, command.p1, command.p2, length])
        self._chain = aes_cmac(self._mac, self._chain + header + command.data)
        signed = command.data + self._chain[: self._length]
        return replace(command, cla=cla, data=signed).encode()

    def _icv(self, first_byte: int) -> bytes:
        return aes_ecb_encrypt(self._enc, bytes([first_byte]) + self._counter.to_bytes(15))


@dataclass(frozen=True, slots=True)
class Session:
    """An open channel to a card."""

    transmit: Transmit
    terminal: DesTerminal | AesTerminal = field(repr=False)

    def send(self, command: Command) -> bytes:
        """Return the response, checked and without its protection."""
        return self.terminal.unwrap(self.transmit(self.terminal.wrap(command)))

    def send_hex(self, command: str) -> str:
        """Do the same in hex, upper case in the response."""
        return self.send(Command.parse(bytes.fromhex(command))).hex().upper()


def initialize_update(group: KeyGroup, host_challenge: bytes) -> bytes:
    """Return the command that asks for a group's channel."""
    return Command(0x80, 0x50, group.version, 0x00, host_challenge, 256).encode()


def open_session(transmit: Transmit, group: KeyGroup, level: int) -> Session:
    """Open a channel with the keys in `group`, by its protocol and options.

    Raises:
        AssertionError: where either end turns the other down.
    """
    s16 = group.scp == 3 and group.i & 0x01
    host_challenge = secrets.token_bytes(16 if s16 else 8)
    answer = transmit(initialize_update(group, host_challenge))
    assert answer.endswith(OK), answer.hex()
    assert answer[11] == group.scp
    opening = Opening(group, level, host_challenge, answer[:-2])
    terminal = DesTerminal(opening) if group.key_type == DES else AesTerminal(opening)
    answer = transmit(terminal.external_authenticate())
    assert answer == OK, answer.hex()
    return Session(transmit, terminal)


def opens(card: Card, group: KeyGroup) -> bool:
    """Tell whether the card opens a channel with these keys."""
    try:
        open_session(card.transmit, group, C_MAC)
    except AssertionError:
        return False
    return True
