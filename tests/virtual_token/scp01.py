"""Secure Channel Protocol '01', the card's side: Card Specification 2.1.1 (CS211) appendix D.

Explicit initiation, three keys, C-MAC on the modified APDU: i = 05, and 15 with ICV
encryption. Challenges are random, so there is no sequence counter; the data encryption key is
the static one.
"""

from dataclasses import dataclass, replace
from hmac import compare_digest

from tests.pcsc.apdu import Command, Refusal, StatusWord, response
from tests.virtual_token.channel import (
    C_DECRYPTION,
    C_MAC,
    MAC_LENGTH,
    NO_SECURE_MESSAGING,
    Initiation,
    on_basic_channel,
    read_external_authenticate,
)
from tests.virtual_token.coprocessor import (
    des3_cbc_decrypt,
    des3_ecb_encrypt,
    des3_mac,
    pad80,
)
from tests.virtual_token.dek import DesDek
from tests.virtual_token.keys import DEK, ENC, MAC

PROTOCOL = 0x01
KEY_TYPE = 0x80  # DES, CS231 11.1.8
KEY_LENGTHS = frozenset({16})
COUNTER_LENGTH = 0
LEVELS = frozenset({NO_SECURE_MESSAGING, C_MAC, C_DECRYPTION | C_MAC})


@dataclass(frozen=True, slots=True)
class Options:
    """The meaning of i: CS211 D.1.1."""

    icv_encryption: bool


def options(i: int) -> Options:
    """Read i; ValueError for options that the protocol does not have."""
    if i not in (0x05, 0x15):
        raise ValueError(f"SCP01 i is 05 or 15 (hex), not {i:02X}")
    return Options(icv_encryption=bool(i & 0x10))


def counts_sessions(_i: int) -> bool:
    """Tell whether these options keep a sequence counter: in SCP01, none do."""
    return False


def key_identifiers(_i: int) -> tuple[int, ...]:
    """Tell which keys a channel needs: in SCP01, all three."""
    return ENC, MAC, DEK


def challenge_length(_i: int) -> int:
    """Tell how long the host challenge is, in bytes."""
    return 8


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """16 bytes each; CS211 D.3.1."""

    enc: bytes
    mac: bytes


def session_key(key: bytes, host_challenge: bytes, card_challenge: bytes) -> bytes:
    """Derive a session key from a static key: CS211 D.3.1, figures D-3 to D-5."""
    card_left, card_right = card_challenge[:4], card_challenge[4:]
    host_left, host_right = host_challenge[:4], host_challenge[4:]
    return des3_ecb_encrypt(key, card_right + host_left + card_left + host_right)


def initialize_update(initiation: Initiation) -> "Handshake":
    """Answer INITIALIZE UPDATE: CS211 D.4.1."""
    challenge = initiation.random(8)
    keys = SessionKeys(
        enc=session_key(initiation.keys.enc, initiation.host_challenge, challenge),
        mac=session_key(initiation.keys.mac, initiation.host_challenge, challenge),
    )
    return Handshake(initiation, keys, challenge)


@dataclass(frozen=True, slots=True)
class Handshake:
    """A session that waits for EXTERNAL AUTHENTICATE; `challenge` is 8 bytes."""

    initiation: Initiation
    keys: SessionKeys
    challenge: bytes

    @property
    def answer(self) -> bytes:
        """28 bytes: KDD, key version, protocol, challenge, card cryptogram."""
        key_information = bytes([self.initiation.keys.version, PROTOCOL])
        cryptogram = des3_mac(self.keys.enc, self.initiation.host_challenge + self.challenge)
        return self.initiation.kdd + key_information + self.challenge + cryptogram

    def external_authenticate(self, command: Command) -> "Channel":
        """Authenticate the host: CS211 D.3.2.2, D.4.2."""
        initiation = self.initiation
        cryptogram, mac = read_external_authenticate(command, LEVELS, initiation.minimum_level)
        expected = des3_mac(self.keys.enc, self.challenge + initiation.host_challenge)
        if not compare_digest(cryptogram, expected):
            raise Refusal(StatusWord.HOST_CRYPTOGRAM_WRONG)
        if not compare_digest(mac, _c_mac(self.keys, command, cryptogram, bytes(8))):
            raise Refusal(StatusWord.SECURE_MESSAGING_INCORRECT)
        return Channel(
            level=command.p1,
            keys=self.keys,
            dek=DesDek(initiation.keys.dek),
            last_mac=mac,
            icv_encryption=options(initiation.i).icv_encryption,
            encrypted_empty_accepted=initiation.encrypted_empty_accepted,
        )


class Channel:
    """An open session: the security level and the C-MAC that the next one chains to."""

    def __init__(
        self,
        *,
        level: int,
        keys: SessionKeys,
        dek: DesDek,
        last_mac: bytes,
        icv_encryption: bool,
        encrypted_empty_accepted: bool,
    ) -> None:
        self.level = level
        self.dek = dek
        self._keys = keys
        self._last_mac = last_mac
        self._icv_encryption = icv_encryption
        self._encrypted_empty_accepted = encrypted_empty_accepted

    def unwrap(self, command: Command) -> Command:
        """Decrypt, then check the C-MAC over the plain command: CS211 D.3.3, D.3.4."""
        body, mac = command.data[:-MAC_LENGTH], command.data[-MAC_LENGTH:]
        data = self._decrypt(body) if self.level & C_DECRYPTION and body else body
        if not compare_digest(mac, _c_mac(self._keys, command, data, self._icv())):
            raise Refusal(StatusWord.SECURE_MESSAGING_INCORRECT)
        self._last_mac = mac
        return replace(command, cla=command.cla & ~0x04, data=data)

    def wrap(self, data: bytes, status_word: int) -> bytes:
        """Return the response as it is: the protocol has no response protection."""
        return response(data, status_word)

    def _icv(self) -> bytes:
        if self._icv_encryption:
            return des3_ecb_encrypt(self._keys.mac, self._last_mac)  # D.1.5
        return self._last_mac

    def _decrypt(self, body: bytes) -> bytes:
        try:
            data = _without_length_and_padding(des3_cbc_decrypt(self._keys.enc, body))
        except ValueError as error:
            raise Refusal(StatusWord.SECURE_MESSAGING_INCORRECT) from error
        if not data and not self._encrypted_empty_accepted:
            raise Refusal(StatusWord.SECURE_MESSAGING_INCORRECT)
        return data


def _without_length_and_padding(padded: bytes) -> bytes:
    """Return the data field of a decrypted one: CS211 D.3.4.

    A byte with its length stands before it; padding follows only where the two together do
    not fill whole blocks. ValueError where it is not so.
    """
    end = 1 + padded[0]
    unpadded = padded[:end]
    if len(unpadded) != end or padded != (pad80(unpadded, 8) if end % 8 else unpadded):
        raise ValueError("length byte and padding disagree")
    return unpadded[1:]


def _c_mac(keys: SessionKeys, command: Command, data: bytes, icv: bytes) -> bytes:
    """Return the C-MAC over the modified APDU: the header with Lc + 8, and the plain data."""
    cla = on_basic_channel(command.cla)
    header = bytes([cla, command.ins, command.p1, command.p2, len(data) + MAC_LENGTH])
    return des3_mac(keys.mac, header + data, icv)
