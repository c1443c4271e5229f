"""Private halves of key pairs, leaving the token wrapped and coming back to their public halves.

They are wrapped as PrivateKeyInfo (PKCS #8) by AES key wrap with padding (RFC 5649), which SoftHSM
has under the name CKM_AES_KEY_WRAP_PAD. Nobody may look into what comes of it, so a private half
that came back is known by its signature.
"""

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.constants import DEFAULT
from pkcs11.exceptions import KeyNotWrappable, MechanismInvalid

from hsm.attributes import (
    MEASURING_KEY,
    RESTORED_SIGNING_KEY,
    VERIFYING_KEY,
    Template,
    in_order,
)
from hsm.errors import HsmError, MechanismUnavailable, hsm_errors
from hsm.identity import key_pair_identity
from hsm.importing import generate_session_key, naming
from hsm.key_pairs import KeyPair, destroy_key_pair, find_key_pair, require_no_pair
from hsm.keys import AES_256, KeyReference, TokenKey
from hsm.public_keys import PublicKey, attributes_of, kind_of
from hsm.token import Token
from hsm.wrapping import INTEGRITY, not_unwrapped

# python-pkcs11 says these of every key that is unwrapped; a private key has none of them.
_OF_OTHER_KEYS = dict.fromkeys((Attribute.ENCRYPT, Attribute.VERIFY, Attribute.WRAP), DEFAULT)


@hsm_errors
def wrap_private_key(wrapping: TokenKey, pair: KeyPair) -> bytes:
    """Encrypt a private half under an AES key; it needs CKA_EXTRACTABLE.

    Raises:
        MechanismUnavailable: the token does not wrap private keys of this algorithm.
    """
    wrap = wrapping.method("wrap_key")
    try:
        return bytes(wrap(pair.private, mechanism=Mechanism.AES_KEY_WRAP_PAD))
    except (KeyNotWrappable, MechanismInvalid) as error:
        raise MechanismUnavailable(
            f"the token does not wrap private keys of {pair.algorithm} with CKM_AES_KEY_WRAP_PAD"
        ) from error


def require_wrappable(token: Token, pair: KeyPair) -> None:
    """Make sure that a private half can leave, under a key that is made for this.

    Raises:
        MechanismUnavailable: as wrap_private_key says.
    """
    with token.operation() as operation:
        wrap_private_key(generate_session_key(operation, AES_256, MEASURING_KEY), pair)


def require_unwrappable(
    token: Token, unwrapping: TokenKey, public_key: PublicKey, wrapped: bytes
) -> None:
    """Unwrap a private half as an object of the session, have it sign once, and destroy it.

    Raises:
        WrappedKeyInvalid: it was wrapped by another key, or changed since.
        KeyUnsuitable: it belongs to another public key.
    """
    template = {**RESTORED_SIGNING_KEY, Attribute.TOKEN: False}
    private = _unwrap(unwrapping, public_key, wrapped, template)
    unnamed = KeyReference("", 0)
    try:
        key_pair_identity(KeyPair(token, unnamed, kind_of(public_key), private, public_key))
    finally:
        _destroy(private)


def unwrap_key_pair(
    token: Token,
    unwrapping: TokenKey,
    reference: KeyReference,
    public_key: PublicKey,
    wrapped: bytes,
) -> KeyPair:
    """Put a key pair back under a new label and id, and have it sign once.

    Raises:
        KeyExists: the label and id are taken.
        WrappedKeyInvalid, KeyUnsuitable: as require_unwrappable says; nothing is left of it.
    """
    require_no_pair(token, reference)
    named = {**naming(reference), **RESTORED_SIGNING_KEY}
    # In this order an interruption leaves nothing but what everybody may know.
    _create_public_half(token, public_key, reference)
    try:
        _unwrap(unwrapping, public_key, wrapped, named)
        pair = find_key_pair(token, reference)
        key_pair_identity(pair)
    except HsmError:
        destroy_key_pair(token, reference)
        raise
    return pair


@hsm_errors
def _unwrap(unwrapping: TokenKey, public_key: PublicKey, wrapped: bytes, template: Template) -> Any:  # noqa: ANN401  see TokenKey
    try:
        return unwrapping.method("unwrap_key")(
            ObjectClass.PRIVATE_KEY,
            _key_type(public_key),
            wrapped,
            mechanism=Mechanism.AES_KEY_WRAP_PAD,
            template={**_OF_OTHER_KEYS, **in_order(template)},
        )
    except MechanismInvalid as error:
        raise MechanismUnavailable(
            "the token does not unwrap private keys with CKM_AES_KEY_WRAP_PAD"
        ) from error
    except INTEGRITY as error:
        raise not_unwrapped(error) from error


@hsm_errors
def _create_public_half(token: Token, public_key: PublicKey, reference: KeyReference) -> None:
    token.session.create_object(
        {
            **VERIFYING_KEY,
            **naming(reference),
            Attribute.KEY_TYPE: _key_type(public_key),
            **attributes_of(public_key),
        }
    )


@hsm_errors
def _destroy(handle: Any) -> None:  # noqa: ANN401  see TokenKey
    handle.destroy()


def _key_type(public_key: PublicKey) -> KeyType:
    if isinstance(public_key, rsa.RSAPublicKey):
        return KeyType.RSA
    return KeyType.EC if isinstance(public_key, ec.EllipticCurvePublicKey) else KeyType.EC_EDWARDS
