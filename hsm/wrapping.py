"""Keys leaving the token encrypted under another key of the token."""

from pkcs11 import Mechanism
from pkcs11.exceptions import MechanismInvalid

from hsm.errors import MechanismUnavailable, hsm_errors
from hsm.keys import TokenKey


@hsm_errors
def wrap_for_transport(wrapping: TokenKey, key: TokenKey) -> bytes:
    """Encrypt a key's value under an AES key by AES key wrap (RFC 3394): 8 bytes longer.

    Raises:
        MechanismUnavailable: the token does not wrap with CKM_AES_KEY_WRAP.
    """
    wrap = wrapping.method("wrap_key")
    try:
        return bytes(wrap(key.handle, mechanism=Mechanism.AES_KEY_WRAP))
    except MechanismInvalid as error:
        raise MechanismUnavailable("the token does not wrap keys with CKM_AES_KEY_WRAP") from error


@hsm_errors
def wrap_key(wrapping: TokenKey, key: TokenKey) -> bytes:
    """Encrypt a key's value: AES-CBC with a zero IV, or 3DES-ECB, as PUT KEY wants it.

    Args:
        wrapping: the key that encrypts; it needs CKA_WRAP.
        key: the key that leaves; it needs CKA_EXTRACTABLE.

    Raises:
        MechanismUnavailable: the token does not wrap with this mechanism.
    """
    if wrapping.shape.is_aes:
        return bytes(
            wrapping.method("wrap_key")(
                key.handle, mechanism=Mechanism.AES_CBC, mechanism_param=bytes(16)
            )
        )
    try:
        return bytes(wrapping.method("wrap_key")(key.handle, mechanism=Mechanism.DES3_ECB))
    except MechanismInvalid as error:
        raise MechanismUnavailable("the token does not wrap keys with CKM_DES3_ECB") from error
