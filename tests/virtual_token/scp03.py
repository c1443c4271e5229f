"""Secure Channel Protocol '03', the card's side: GlobalPlatform Amendment D 1.1.1 (AmdD).

AES-128, 192 and 256, and every i that table 5-1 defines: challenges, cryptograms and MACs of
8 bytes (S8). With the lowest bit of i they are of 16 (S16), as version 1.2 of AmdD added.
"""

from dataclasses import dataclass, replace
from hmac import compare_digest

from tests.pcsc.apdu import Command, Refusal, StatusWord, response
from tests.virtual_token.channel import (
    C_DECRYPTION,
    C_MAC,
    NO_SECURE_MESSAGING,
    R_ENCRYPTION,
    R_MAC,
    Initiation,
    is_error,
    on_basic_channel,
    read_external_authenticate,
)
from tests.virtual_token.coprocessor import (
    aes_cbc_decrypt,
    aes_cbc_encrypt,
    aes_cmac,
    aes_ecb_encrypt,
    pad80,
    unpad80,
)
from tests.virtual_token.dek import AesDek
from tests.virtual_token.keys import DEK, ENC, MAC

PROTOCOL = 0x03
KEY_TYPE = 0x88  # AES, CS231 11.1.8
KEY_LENGTHS = frozenset({16, 24, 32})
COUNTER_LENGTH = 3

# The derivation constants of AmdD table 4-1
CARD_CRYPTOGRAM = 0x00
HOST_CRYPTOGRAM = 0x01
CARD_CHALLENGE = 0x02
S_ENC = 0x04
S_MAC = 0x06
S_RMAC = 0x07


@dataclass(frozen=True, slots=True)
class Options:
    """The meaning of i: AmdD table 5-1.

    `length` is that of challenges, cryptograms and MACs: 8 bytes, or 16.
    """

    length: int
    pseudo_random_challenge: bool
    levels: frozenset[int]


def options(i: int) -> Options:
    """Read i; ValueError for one that the table does not define."""
    if i & ~0x01 not in (0x00, 0x10, 0x20, 0x30, 0x60, 0x70):
        raise ValueError(
            f"SCP03 i is 00, 10, 20, 30, 60 or 70 (hex), or one more for S16, not {i:02X}"
        )
    levels = {NO_SECURE_MESSAGING, C_MAC, C_DECRYPTION | C_MAC}
    if i & 0x20:
        levels |= {C_MAC | R_MAC, C_DECRYPTION | C_MAC | R_MAC}
    if i & 0x40:
        levels |= {C_DECRYPTION | C_MAC | R_MAC | R_ENCRYPTION}
    return Options(
        length=16 if i & 0x01 else 8,
        pseudo_random_challenge=bool(i & 0x10),
        levels=frozenset(levels),
    )


def counts_sessions(i: int) -> bool:
    """Tell whether these options keep a sequence counter: AmdD 6.2.2.1."""
    return options(i).pseudo_random_challenge


def key_identifiers(_i: int) -> tuple[int, ...]:
    """Tell which keys a channel needs: in SCP03, all three."""
    return ENC, MAC, DEK


def challenge_length(i: int) -> int:
    """Tell how long the host challenge is, in bytes."""
    return options(i).length


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """As long as the static keys; AmdD 6.2.1."""

    enc: bytes
    mac: bytes
    rmac: bytes


def derive(key: bytes, constant: int, context: bytes, length: int) -> bytes:
    """Derive `length` bytes from `key`: the counter-mode KDF of AmdD 4.1.5."""
    before = bytes(11) + bytes([constant, 0x00]) + (length * 8).to_bytes(2)
    blocks = range(1, -(-length // 16) + 1)
    return b"".join(aes_cmac(key, before + bytes([i]) + context) for i in blocks)[:length]


def card_challenge(key_enc: bytes, counter: bytes, aid: bytes, length: int = 8) -> bytes:
    """Return the pseudo-random card challenge, `length` bytes: AmdD 6.2.2.1."""
    return derive(key_enc, CARD_CHALLENGE, counter + aid, length)


def initialize_update(initiation: Initiation) -> "Handshake":
    """Answer INITIALIZE UPDATE: AmdD 7.1.1. 6985 where the sequence counter is used up."""
    keys = initiation.keys
    chosen = options(initiation.i)
    if chosen.pseudo_random_challenge:
        initiation.counter.increment()
        counter = initiation.counter.value
        challenge = card_challenge(keys.enc, counter, initiation.aid, chosen.length)
    else:
        counter = b""
        challenge = initiation.random(chosen.length)
    context = initiation.host_challenge + challenge
    session = SessionKeys(
        enc=derive(keys.enc, S_ENC, context, len(keys.enc)),
        mac=derive(keys.mac, S_MAC, context, len(keys.mac)),
        rmac=derive(keys.mac, S_RMAC, context, len(keys.mac)),
    )
    return Handshake(initiation, session, challenge, counter)


@dataclass(frozen=True, slots=True)
class Handshake:
    """A session that waits for EXTERNAL AUTHENTICATE.

    `challenge` is 8 bytes, or 16; `counter` 3, or none where the challenge is random.
    """

    initiation: Initiation
    keys: SessionKeys
    challenge: bytes
    counter: bytes

    @property
    def answer(self) -> bytes:
        """KDD, version, protocol, i, challenge, card cryptogram, counter.

        29 bytes, 32 with a counter; S16 has 45 and 48.
        """
        initiation = self.initiation
        key_information = bytes([initiation.keys.version, PROTOCOL, initiation.i])
        cryptogram = self._cryptogram(CARD_CRYPTOGRAM)
        return initiation.kdd + key_information + self.challenge + cryptogram + self.counter

    def external_authenticate(self, command: Command) -> "Channel":
        """Authenticate the host: AmdD 6.2.2.3, 7.1.2."""
        initiation = self.initiation
        chosen = options(initiation.i)
        cryptogram, mac = read_external_authenticate(
            command, chosen.levels, initiation.minimum_level, chosen.length
        )
        if not compare_digest(cryptogram, self._cryptogram(HOST_CRYPTOGRAM)):
            raise Refusal(StatusWord.HOST_CRYPTOGRAM_WRONG)
        chain = _c_mac(self.keys, bytes(16), command, cryptogram)
        if not compare_digest(mac, chain[: chosen.length]):
            raise Refusal(StatusWord.SECURE_MESSAGING_INCORRECT)
        return Channel(
            level=command.p1,
            keys=self.keys,
            dek=AesDek(initiation.keys.dek),
            mac_length=chosen.length,
            chain=chain,
            encrypted_empty_accepted=initiation.encrypted_empty_accepted,
        )

    def _cryptogram(self, constant: int) -> bytes:
        context = self.initiation.host_challenge + self.challenge
        return derive(self.keys.mac, constant, context, len(self.challenge))


class Channel:
    """An open session: the level, the MAC chaining value and the encryption counter."""

    def __init__(
        self,
        *,
        level: int,
        keys: SessionKeys,
        dek: AesDek,
        mac_length: int,
        chain: bytes,
        encrypted_empty_accepted: bool,
    ) -> None:
        self.level = level
        self.dek = dek
        self._keys = keys
        self._mac_length = mac_length
        self._chain = chain
        self._counter = 0
        self._encrypted_empty_accepted = encrypted_empty_accepted

    def unwrap(self, command: Command) -> Command:
        """Check the C-MAC over the ciphertext, then decrypt: AmdD 6.2.4, 6.2.6."""
        self._counter += 1  # also for a command without data
        body, mac = command.data[: -self._mac_length], command.data[-self._mac_length :]
        chain = _c_mac(self._keys, self._chain, command, body)
        if not compare_digest(mac, chain[: self._mac_length]):
            raise Refusal(StatusWord.SECURE_MESSAGING_INCORRECT)
        self._chain = chain
        data = self._decrypt(body) if self.level & C_DECRYPTION and body else body
        return replace(command, cla=command.cla & ~0x04, data=data)

    def wrap(self, data: bytes, status_word: int) -> bytes:
        """Encrypt the data, if any, and append the R-MAC: AmdD 6.2.5, 6.2.7.

        An error goes out bare; 62xx and 63xx are warnings and do not.
        """
        if is_error(status_word) or not self.level & R_MAC:
            return response(data, status_word)
        if data and self.level & R_ENCRYPTION:
            data = aes_cbc_encrypt(self._keys.enc, pad80(data, 16), self._icv(0x80))
        mac = aes_cmac(self._keys.rmac, self._chain + response(data, status_word))
        return response(data + mac[: self._mac_length], status_word)

    def _icv(self, first_byte: int) -> bytes:
        block = bytes([first_byte]) + self._counter.to_bytes(15)
        return aes_ecb_encrypt(self._keys.enc, block)

    def _decrypt(self, body: bytes) -> bytes:
        try:
            data = unpad80(aes_cbc_decrypt(self._keys.enc, body, self._icv(0x00)))
        except ValueError as error:
            raise Refusal(StatusWord.SECURE_MESSAGING_INCORRECT) from error
        if not data and not self._encrypted_empty_accepted:
            raise Refusal(StatusWord.SECURE_MESSAGING_INCORRECT)
        return data


def _c_mac(keys: SessionKeys, chain: bytes, command: Command, body: bytes) -> bytes:
    """Return the 16-byte CMAC over chaining value, header with the whole Lc, and data field."""
    cla = on_basic_channel(command.cla)
    header = bytes([cla, command.ins, command.p1, command.p2, len(command.data)])
    return aes_cmac(keys.mac, chain + header + body)
