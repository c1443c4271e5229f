"""Secure Channel Protocol '02', the card's side: CS231 appendix E.

Explicit initiation and C-MAC on the modified APDU; three keys or one base key, ICV encryption
or none, R-MAC from EXTERNAL AUTHENTICATE on, and either kind of card challenge, as i says.
"""

from dataclasses import dataclass, replace
from hmac import compare_digest

from tests.pcsc.apdu import Command, Refusal, StatusWord, response
from tests.virtual_token.channel import (
    C_DECRYPTION,
    C_MAC,
    MAC_LENGTH,
    NO_SECURE_MESSAGING,
    R_MAC,
    Initiation,
    is_error,
    on_basic_channel,
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
from tests.virtual_token.dek import DesDek
from tests.virtual_token.keys import DEK, ENC, MAC, KeySet

PROTOCOL = 0x02
KEY_TYPE = 0x80  # DES, CS231 11.1.8
KEY_LENGTHS = frozenset({16})
COUNTER_LENGTH = 2

# The constants of session key derivation, CS231 E.4.1
DERIVE_C_MAC = bytes.fromhex("0101")
DERIVE_R_MAC = bytes.fromhex("0102")
DERIVE_DEK = bytes.fromhex("0181")
DERIVE_ENC = bytes.fromhex("0182")

# Of table E-1: explicit initiation, C-MAC on the modified APDU, ICV set to zero
IMPLEMENTED = (0x04, 0x05, 0x14, 0x15, 0x34, 0x35, 0x54, 0x55, 0x74, 0x75)


@dataclass(frozen=True, slots=True)
class Options:
    """The meaning of i: CS231 table E-1."""

    base_key: bool
    icv_encryption: bool
    pseudo_random_challenge: bool
    levels: frozenset[int]


def options(i: int) -> Options:
    """Read i; ValueError for options this card does not have."""
    if i not in IMPLEMENTED:
        names = ", ".join(f"{known:02X}" for known in IMPLEMENTED)
        raise ValueError(f"SCP02 i is one of {names} (hex), not {i:02X}")
    levels = {NO_SECURE_MESSAGING, C_MAC, C_DECRYPTION | C_MAC}
    if i & 0x20:
        levels |= {C_MAC | R_MAC, C_DECRYPTION | C_MAC | R_MAC}
    return Options(
        base_key=not i & 0x01,
        icv_encryption=bool(i & 0x10),
        pseudo_random_challenge=bool(i & 0x40),
        levels=frozenset(levels),
    )


def counts_sessions(_i: int) -> bool:
    """Tell whether these options keep a sequence counter: in SCP02, all do."""
    return True


def key_identifiers(i: int) -> tuple[int, ...]:
    """Tell which keys a channel needs: CS231 E.2."""
    return (ENC,) if options(i).base_key else (ENC, MAC, DEK)


def challenge_length(_i: int) -> int:
    """Tell how long the host challenge is, in bytes."""
    return 8


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """16 bytes each; CS231 E.4.1."""

    enc: bytes
    c_mac: bytes
    r_mac: bytes
    dek: bytes


def session_key(key: bytes, constant: bytes, counter: bytes) -> bytes:
    """Derive a session key from a static key: CS231 E.4.1; 2-byte constant and counter."""
    return des3_cbc_encrypt(key, constant + counter + bytes(12))


def session_keys(static: KeySet, counter: bytes, *, base_key: bool) -> SessionKeys:
    """Derive all session keys; a base key, which stands in the place of ENC, serves for all."""
    enc, mac, dek = static.enc, static.mac, static.dek
    if base_key:
        mac = dek = enc
    return SessionKeys(
        enc=session_key(enc, DERIVE_ENC, counter),
        c_mac=session_key(mac, DERIVE_C_MAC, counter),
        r_mac=session_key(mac, DERIVE_R_MAC, counter),
        dek=session_key(dek, DERIVE_DEK, counter),
    )


def initialize_update(initiation: Initiation) -> "Handshake":
    """Answer INITIALIZE UPDATE: CS231 E.5.1.6. 6985 where the sequence counter is used up."""
    initiation.counter.require_headroom()
    counter = initiation.counter.value
    chosen = options(initiation.i)
    keys = session_keys(initiation.keys, counter, base_key=chosen.base_key)
    if chosen.pseudo_random_challenge:
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
        initiation = self.initiation
        chosen = options(initiation.i)
        cryptogram, mac = read_external_authenticate(
            command, chosen.levels, initiation.minimum_level
        )
        mac_is_right = compare_digest(mac, _c_mac(self.keys, command, cryptogram, bytes(8)))
        if mac_is_right:
            initiation.counter.increment()
        expected = des3_mac(self.keys.enc, self.card_part + initiation.host_challenge)
        if not compare_digest(cryptogram, expected):
            raise Refusal(StatusWord.HOST_CRYPTOGRAM_WRONG)
        if not mac_is_right:
            raise Refusal(StatusWord.SECURE_MESSAGING_INCORRECT)
        return Channel(
            level=command.p1,
            keys=self.keys,
            first_mac=mac,
            icv_encryption=chosen.icv_encryption,
            encrypted_empty_accepted=initiation.encrypted_empty_accepted,
        )


class Channel:
    """An open session: the security level and the MACs that the next ones chain to.

    `first_mac` is the C-MAC of EXTERNAL AUTHENTICATE, with which both chains begin: E.3.2.
    """

    def __init__(
        self,
        *,
        level: int,
        keys: SessionKeys,
        first_mac: bytes,
        icv_encryption: bool,
        encrypted_empty_accepted: bool,
    ) -> None:
        self.level = level
        self.dek = DesDek(keys.dek)
        self._keys = keys
        self._last_c_mac = first_mac
        self._last_r_mac = first_mac
        self._stripped = b""  # the command without its protection, for the R-MAC
        self._icv_encryption = icv_encryption
        self._encrypted_empty_accepted = encrypted_empty_accepted

    def unwrap(self, command: Command) -> Command:
        """Decrypt, then check the C-MAC over the plain command: CS231 E.4.4, E.4.6."""
        body, mac = command.data[:-MAC_LENGTH], command.data[-MAC_LENGTH:]
        data = self._decrypt(body) if self.level & C_DECRYPTION and body else body
        if not compare_digest(mac, _c_mac(self._keys, command, data, self._icv())):
            raise Refusal(StatusWord.SECURE_MESSAGING_INCORRECT)
        self._last_c_mac = mac
        plain = replace(command, cla=command.cla & ~0x04, data=data)
        cla = on_basic_channel(plain.cla)
        self._stripped = bytes([cla, plain.ins, plain.p1, plain.p2, len(data)]) + data
        return plain

    def wrap(self, data: bytes, status_word: int) -> bytes:
        """Append the R-MAC, to an error as well: CS231 E.4.5."""
        if not self.level & R_MAC:
            return response(data, status_word)
        if is_error(status_word):
            data = b""
        block = self._stripped + bytes([len(data) % 256]) + response(data, status_word)
        self._last_r_mac = retail_mac(self._keys.r_mac, block, self._last_r_mac)
        return response(data + self._last_r_mac, status_word)

    def _icv(self) -> bytes:
        if self._icv_encryption:
            return des_cbc_encrypt(self._keys.c_mac[:8], self._last_c_mac)  # E.3.4
        return self._last_c_mac

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
    cla = on_basic_channel(command.cla)
    header = bytes([cla, command.ins, command.p1, command.p2, len(data) + MAC_LENGTH])
    return retail_mac(keys.c_mac, header + data, icv)
