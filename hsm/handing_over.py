"""Keys made in the token of which another party gets a copy: wrapped under its RSA public key.

The key is a session object while it can leave, and is kept as a copy that cannot: CKA_EXTRACTABLE
may be taken from a key, and never given back (PKCS#11 2.40, section 4.8).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pkcs11 import MGF, Attribute, KeyType, Mechanism
from pkcs11.exceptions import ArgumentsBad, MechanismInvalid, MechanismParamInvalid

from hsm.attributes import RECIPIENT_KEY, Template
from hsm.errors import MechanismUnavailable, hsm_errors
from hsm.importing import generate_session_key, naming, require_absent
from hsm.keys import KeyReference, KeyShape, TokenKey
from hsm.operation import Operation
from hsm.token import Token


class OaepHash(StrEnum):
    """The hash of RSAES-OAEP (RFC 8017, section 7.1) and of its mask MGF1."""

    SHA1 = "sha1"
    SHA256 = "sha256"


OAEP_PARAMETERS: Mapping[OaepHash, tuple[Mechanism, MGF, None]] = {
    OaepHash.SHA1: (Mechanism.SHA_1, MGF.SHA1, None),
    OaepHash.SHA256: (Mechanism.SHA256, MGF.SHA256, None),
}


def generate_to_hand_over(operation: Operation, shape: KeyShape, template: Template) -> TokenKey:
    """Make a random key that can leave until the operation ends.

    Args:
        operation: owns it.
        shape: what it is.
        template: the attributes that it is kept with.
    """
    leaving = {
        Attribute.TOKEN: False,
        Attribute.EXTRACTABLE: True,
        Attribute.MODIFIABLE: True,  # SoftHSM 2.6 copies no other with other attributes
    }
    return generate_session_key(operation, shape, {**template, **leaving})


@hsm_errors
def wrap_to(
    operation: Operation, recipient: RSAPublicKey, key: TokenKey, oaep: OaepHash | None
) -> bytes:
    """Encrypt a key's value by RSA: as long as the modulus.

    Args:
        operation: owns the recipient's key meanwhile.
        recipient: whose key it is.
        key: what leaves.
        oaep: the hash of RSAES-OAEP, with an empty label; None for RSAES-PKCS1-v1_5.

    Raises:
        MechanismUnavailable: the token does not wrap with CKM_RSA_PKCS, or with
            CKM_RSA_PKCS_OAEP and this hash.
    """
    numbers = recipient.public_numbers()
    handle: Any = operation.session.create_object(
        {
            **RECIPIENT_KEY,
            Attribute.KEY_TYPE: KeyType.RSA,
            Attribute.MODULUS: _unsigned(numbers.n),
            Attribute.PUBLIC_EXPONENT: _unsigned(numbers.e),
        }
    )
    operation.own(handle, key.shape)
    mechanism = Mechanism.RSA_PKCS if oaep is None else Mechanism.RSA_PKCS_OAEP
    parameter = None if oaep is None else OAEP_PARAMETERS[oaep]
    try:
        wrapped = handle.wrap_key(key.handle, mechanism=mechanism, mechanism_param=parameter)
    except (ArgumentsBad, MechanismInvalid, MechanismParamInvalid) as error:
        words = f"CKM_{mechanism.name}" + (f" and {oaep}" if oaep else "")
        raise MechanismUnavailable(f"the token does not wrap keys with {words}") from error
    return bytes(wrapped)


@hsm_errors
def keep(token: Token, key: TokenKey, reference: KeyReference, template: Template) -> TokenKey:
    """Keep a copy of a key in the token under a new label and id, with attributes of its own.

    Args:
        token: opened writable.
        key: from `generate_to_hand_over`.
        reference: the label and version that the copy gets.
        template: its attributes.

    Raises:
        KeyExists: the label and id are taken.
    """
    require_absent(token, reference)
    kept = {name: template[name] for name in (Attribute.EXTRACTABLE, Attribute.MODIFIABLE)}
    copied = key.handle.copy({**naming(reference), Attribute.TOKEN: True, **kept})
    return TokenKey(copied, key.shape)


def _unsigned(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)
