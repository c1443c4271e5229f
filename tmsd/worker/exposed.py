"""All that ever puts a card's key into this process's memory, and only by exception.

Some tokens cannot do everything inside. A key set (or a transport key) that says
`allow_key_material_in_worker = true` lets the worker do in memory what its token refuses:
the HMAC-based KDF of Dogtag, and encrypting keys under triple DES. Values are `Secret`s,
wiped when the call ends. What was done this way is told in the answer, and recorded.
"""

from collections.abc import Mapping
from functools import partial

from hsm import attributes, ciphers, importing
from hsm.hmac import hmac_sha256
from hsm.keys import DES2, KeyShape, TokenKey
from hsm.reading import read_value
from hsm.secret import Secret
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


def under_triple_des(wrapping: TokenKey, readable: TokenKey) -> bytes:
    """Encrypt a readable key's value under a triple DES key (ECB, whole blocks)."""
    with read_value(readable) as value:
        return ciphers.encrypt_ecb(wrapping, bytes(value))
