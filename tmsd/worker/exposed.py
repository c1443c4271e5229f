"""All that ever puts a card's key into this process's memory, and only by exception.

Some tokens cannot do everything inside. A key set (or a transport key) that says
`allow_key_material_in_worker = true` lets the worker do in memory what its token refuses:
the HMAC-based KDF of Dogtag, and encrypting keys under triple DES or for a DRM by OAEP. Values are
`Secret`s, wiped when the call ends. What was done this way is told in the answer, and recorded.
"""

from collections.abc import Mapping
from functools import partial
from secrets import token_bytes

from cryptography.hazmat.primitives.asymmetric.padding import (
    MGF1,
    OAEP,
    AsymmetricPadding,
    PKCS1v15,
)
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from pkcs11 import Attribute

from hsm import attributes, ciphers, importing
from hsm.handing_over import OaepHash
from hsm.hmac import hmac_sha256
from hsm.keys import AES_256, DES2, KeyShape, TokenKey
from hsm.reading import read_value
from hsm.secret import Secret
from hsm.wrapping import wrap_key
from tmsd.globalplatform.diversification import Role, nist_sp800_108_hmac
from tmsd.globalplatform.keys import Use
from tmsd.worker.hsm_key import HsmKey


class ReadableKey(HsmKey):
    """A base key whose derivations can be read; for `under_triple_des` alone."""

    __slots__ = ()

    def template(self, _shape: KeyShape, _use: Use) -> attributes.Template:
        """Return the attributes of a key whose value can be read."""
        return attributes.READABLE_KEY


def card_keys_by_hmac(masters: Mapping[Role, HsmKey], data: bytes, use: Use) -> dict[Role, HsmKey]:
    """Derive two-key triple DES card keys by HMAC, and put them back into the token.

    Args:
        masters: generic secrets that may sign, by role; their class gives the attributes.
        data: diversification data, 10 bytes.
        use: what the keys are for.
    """
    keys = {}
    for role, master in masters.items():
        prf = partial(hmac_sha256, master.key)
        material = Secret(nist_sp800_108_hmac(prf, [role], data)[0])
        with material:
            importing.set_odd_parity(material)
            template = master.template(DES2, use)
            key = importing.import_session_key(master.operation, material, DES2, template)
        keys[role] = type(master)(master.operation, key)
    return keys


def under_triple_des(wrapping: TokenKey, readable: HsmKey) -> bytes:
    """Encrypt a readable key's value under a triple DES key (ECB, whole blocks)."""
    with _value(readable) as value:
        return ciphers.encrypt_ecb(wrapping, bytes(value))


def to_recipient(recipient: RSAPublicKey, readable: HsmKey, oaep: OaepHash | None) -> bytes:
    """Encrypt a readable key's value by RSA: PKCS #1 v1.5, or OAEP with an empty label."""
    with _value(readable) as value:
        return recipient.encrypt(bytes(value), _padding(oaep))


def _value(readable: HsmKey) -> Secret:
    """Return a key's value: as it is, or of a master key that may leave, by way of another key.

    Every other key is readable by its template, or not at all.

    Raises:
        KeyNotExtractable: a master key may not leave.
    """
    if not readable.key.handle[Attribute.TOKEN]:
        return read_value(readable.key)
    known = Secret(token_bytes(AES_256.length))
    with known as value:
        under = importing.import_session_key(
            readable.operation, known, AES_256, attributes.MEASURING_KEY
        )
        wrapped = wrap_key(under, readable.key)
        decryptor = Cipher(AES(value), CBC(bytes(16))).decryptor()
        return Secret(decryptor.update(wrapped) + decryptor.finalize())


def _padding(oaep: OaepHash | None) -> AsymmetricPadding:
    if oaep is None:
        return PKCS1v15()
    algorithm = {OaepHash.SHA1: SHA1, OaepHash.SHA256: SHA256}[oaep]()
    return OAEP(MGF1(algorithm), algorithm, None)
