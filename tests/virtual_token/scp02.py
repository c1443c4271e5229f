"""Secure Channel Protocol '02', the card's side: CS231 appendix E.

Explicit initiation, three keys, C-MAC on the modified APDU, ICV encryption: i = 15, and 55
with the pseudo-random card challenge.
"""

from dataclasses import dataclass, replace
from hmac import compare_digest

from tests.virtual_token.apdu import Command, Refusal, StatusWord, response
from tests.virtual_token.channel import (
    C_DECRYPTION,
    C_MAC,
    MAC_LENGTH,
    NO_SECURE_MESSAGING,
    Initiation,
    read_external_authenticate,
)
from tests.virtual_token.coprocessor import (
    des3_cbc_decrypt,
    des3_cbc_encrypt,
    des3_mac,
    des_cbc_encrypt,
    retail_mac,
    unpad80,
)

PROTOCOL = 0x02
KEY_TYPE = 0x80  # DES, CS231 11.1.8
KEY_LENGTHS = frozenset({16})
COUNTER_LENGTH = 2
LEVELS = frozenset({NO_SECURE_MESSAGING, C_MAC, C_DECRYPTION | C_MAC})

# The constants of session key derivation, CS231 E.4.1
DERIVE_C_MAC = bytes.fromhex("0101")
DERIVE_ENC = bytes.fromhex("0182")


@dataclass(frozen=True, slots=True)
class Options:
    """The meaning of i: CS231 table E-1."""

    pseudo_random_challenge: bool


def options(i: int) -> Options:
    """Read i; ValueError for options this card does not have."""
    if i not in (0x15, 0x55):
        raise ValueError(f"SCP02 i is 15 or 55 (hex), not {i:02X}")
    return Options(pseudo_random_challenge=bool(i & 0x40))


def counts_sessions(_i: int) -> bool:
    """Tell whether these options keep a sequence counter: in SCP02, all do."""
    return True


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """16 bytes each; CS231 E.4.1."""

    enc: bytes
    c_mac: bytes


def session_key(key: bytes, constant: bytes, counter: bytes) -> bytes:
    """Derive a session key from a static key: CS231 E.4.1; 2-byte constant and counter."""
    return des3_cbc_encrypt(key, constant + counter + bytes(12))


def initialize_update(initiation: Initiation) -> "Handshake":
    """Answer INITIALIZE UPDATE: CS231 E.5.1.6. 6985 where the sequence counter is used up."""
    initiation.counter.require_headroom()
    counter = initiation.counter.value
    keys = SessionKeys(
        enc=session_key(initiation.keys.enc, DERIVE_ENC, counter),
        c_mac=session_key(initiation.keys.mac, DERIVE_C_MAC, counter),
    )
    if options(initiation.i).pseudo_random_challenge:
        challenge = retail_mac(keys.c_mac, initiation.aid)[:6]  # E.4.2.3
    else:
        challenge = initiation.random(6)
    return Handshake(initiation, keys, counter + challenge)


@dataclass(frozen=True, slots=True)
class Handshake:
    """A session that waits for EXTERNAL AUTHENTICATE.

    `card_part` is what the card puts against the host challenge: counter and challenge, 8 bytes.
    """

    initiation: Initiation
    keys: SessionKeys
    card_part: bytes

    @property
    def answer(self) -> bytes:
        """28 bytes: KDD, key version, protocol, counter, challenge, card cryptogram."""
        key_information = bytes([self.initiation.keys.version, PROTOCOL])
        cryptogram = des3_mac(self.keys.enc, self.initiation.host_challenge + self.card_part)
        return self.initiation.kdd + key_information + self.card_part + cryptogram

    def external_authenticate(self, command: Command) -> "Channel":
        """Authenticate the host: CS231 E.4.2.2, E.5.2.

        The sequence counter rises when the C-MAC is right, whatever else is wrong (E.1.2).
        """
        cryptogram, mac = read_external_authenticate(command, LEVELS, self.initiation.minimum_level)
        mac_is_right = compare_digest(mac, _c_mac(self.keys, command, cryptogram, bytes(8)))
        if mac_is_right:
            self.initiation.counter.increment()
        expected = des3_mac(self.keys.enc, self.card_part + self.initiation.host_challenge)
        if not compare_digest(cryptogram, expected):
            raise Refusal(StatusWord.HOST_CRYPTOGRAM_WRONG)
        if not mac_is_right:
            raise Refusal(StatusWord.SECURE_MESSAGING_INCORRECT)
        return Channel(command.p1, self.keys, mac, self.initiation.encrypted_empty_accepted)


class Channel:
    """An open session: the security level and the C-MAC that the next one chains to."""

    def __init__(
        self, level: int, keys: SessionKeys, last_mac: bytes, encrypted_empty_accepted: bool
    ) -> None:
        self.level = level
        self._keys = keys
        self._last_mac = last_mac
        self._encrypted_empty_accepted = encrypted_empty_accepted

    def unwrap(self, command: Command) -> Command:
        """Decrypt, then check the C-MAC over the plain command: CS231 E.4.4, E.4.6."""
        body, mac = command.data[:-MAC_LENGTH], command.data[-MAC_LENGTH:]
        data = self._decrypt(body) if self.level & C_DECRYPTION and body else body
        icv = des_cbc_encrypt(self._keys.c_mac[:8], self._last_mac)  # E.3.4
        if not compare_digest(mac, _c_mac(self._keys, command, data, icv)):
            raise Refusal(StatusWord.SECURE_MESSAGING_INCORRECT)
        self._last_mac = mac
        return replace(command, cla=command.cla & ~0x04, data=data)

    def wrap(self, data: bytes, status_word: int) -> bytes:
        """Return the response as it is: these options have no response protection."""
        return response(data, status_word)

    def _decrypt(self, body: bytes) -> bytes:
        try:
            data = unpad80(des3_cbc_decrypt(self._keys.enc, body))
        except ValueError as error:
            raise Refusal(StatusWord.SECURE_MESSAGING_INCORRECT) from error
        if not data and not self._encrypted_empty_accepted:
            raise Refusal(StatusWord.SECURE_MESSAGING_INCORRECT)
        return data


def _c_mac(keys: SessionKeys, command: Command, data: bytes, icv: bytes) -> bytes:
    """Return the C-MAC over the modified APDU: the header with Lc + 8, and the plain data."""
    header = bytes([command.cla, command.ins, command.p1, command.p2, len(data) + MAC_LENGTH])
    return retail_mac(keys.c_mac, header + data, icv)
