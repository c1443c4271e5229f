"""A card as a TPS of Dogtag tells its TKS of it, and what the TKS has to answer: computed here.

It shares no code with what is measured. SCP01: Open Platform Card Specification 2.1.1, annex D;
SCP02: GlobalPlatform Card Specification 2.3.1, annex E; SCP03: Amendment D. Lengths are in bytes.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.cmac import CMAC

# Derivation constants of SCP02 (E.4.1), by what a TPS asks for.
SCP02_CONSTANTS = {"enc": b"\x01\x82", "mac": b"\x01\x01", "dek": b"\x01\x81"}


@dataclass(frozen=True, slots=True)
class CardKeys:
    """A card's static keys: 16 bytes each, in SCP03 16, 24 or 32."""

    enc: bytes
    mac: bytes
    dek: bytes


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for session keys, and what has to come of it.

    Attributes:
        parameters: of the form, in the order of a TPS; bytes are to be sent as `#XX`.
        keys: by field, session keys as they are before they are encrypted under the secret.
        fields: by field, what comes in the clear.
    """

    parameters: Mapping[str, str | bytes]
    keys: Mapping[str, bytes]
    fields: Mapping[str, bytes]


def ask_scp01(keys: CardKeys, named: Mapping[str, str | bytes], host_challenge: bytes) -> Asked:
    """Return the request for a new card challenge of 8 bytes."""
    card = secrets.token_bytes(8)
    data = card[4:] + host_challenge[:4] + card[:4] + host_challenge[4:]
    enc, mac = (_odd_parity(_des(key, ECB(), data)) for key in (keys.enc, keys.mac))  # noqa: S305  D.1.2
    cryptogram = _full_mac(enc, host_challenge + card)
    return Asked(
        {**named, **_challenges(card, host_challenge), "card_cryptogram": cryptogram},
        {"sessionKey": mac, "encSessionKey": enc},
        {"hostCryptogram": _full_mac(enc, card + host_challenge)},
    )


def ask_scp02(
    keys: CardKeys, named: Mapping[str, str | bytes], counter: bytes, purpose: str
) -> Asked:
    """Return the request for one session key: `enc`, `mac` or `dek`; the counter has 2 bytes."""
    constant = SCP02_CONSTANTS[purpose]
    static = getattr(keys, purpose)
    key = _odd_parity(_des(static, CBC(bytes(8)), constant + counter + bytes(12)))
    return Asked(
        {**named, "protocol": "2", "sequenceCounter": counter, "derivationConstant": constant},
        {"sessionKey": key},
        {},
    )


def ask_scp03(keys: CardKeys, named: Mapping[str, str | bytes], host_challenge: bytes) -> Asked:
    """Return the request for a new card challenge of 8 bytes."""
    card = secrets.token_bytes(8)
    context, bits = host_challenge + card, 8 * len(keys.mac)
    enc = _kdf(keys.enc, 0x04, context, bits)
    mac = _kdf(keys.mac, 0x06, context, bits)
    cryptogram = _kdf(mac, 0x00, context, 64)
    return Asked(
        {
            **named,
            **_challenges(card, host_challenge),
            "protocol": "3",
            "card_cryptogram": cryptogram,
        },
        {"macSessionKey": mac, "encSessionKey": enc},
        {"hostCryptogram": _kdf(mac, 0x01, context, 64)},
    )


def decrypted(secret: bytes, wrapped: bytes) -> bytes:
    """Return a key that is under the secret of a TPS: of 24 bytes triple DES, otherwise AES."""
    algorithm, mode = (
        (TripleDES(secret), ECB()) if len(secret) == 24 else (AES(secret), CBC(bytes(16)))  # noqa: S305  as it comes
    )
    cipher = Cipher(algorithm, mode).decryptor()
    return cipher.update(wrapped) + cipher.finalize()


def _challenges(card: bytes, host: bytes) -> dict[str, bytes]:
    return {"card_challenge": card, "host_challenge": host}


def _des(key: bytes, mode: ECB | CBC, data: bytes) -> bytes:
    cipher = Cipher(TripleDES((key * 2)[:24]), mode).encryptor()
    return cipher.update(data) + cipher.finalize()


def _full_mac(key: bytes, data: bytes) -> bytes:
    """Triple DES in CBC over data of whole blocks and one of padding (D.1.4)."""
    return _des(key, CBC(bytes(8)), data + b"\x80" + bytes(7))[-8:]


def _kdf(key: bytes, constant: int, context: bytes, bits: int) -> bytes:
    """NIST SP 800-108 in counter mode with AES-CMAC (Amendment D, 4.1.5)."""
    made = b""
    for counter in range(1, -(-bits // 128) + 1):
        mac = CMAC(AES(key))
        mac.update(bytes([*bytes(11), constant, 0, *bits.to_bytes(2, "big"), counter]) + context)
        made += mac.finalize()
    return made[: bits // 8]


def _odd_parity(key: bytes) -> bytes:
    return bytes(byte & 0xFE | ((byte >> 1).bit_count() + 1) % 2 for byte in key)
