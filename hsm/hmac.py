"""HMAC-SHA256 in the token (RFC 2104, FIPS 198-1), and the form in which its keys go there."""

from pkcs11 import Mechanism
from pkcs11.exceptions import KeySizeRange

from hsm.errors import KeyUnsuitable, hsm_errors
from hsm.keys import SECRET_32, TokenKey
from hsm.secret import Secret


@hsm_errors
def hmac_sha256(key: TokenKey, data: bytes) -> bytes:
    """Return the 32-byte HMAC-SHA256 of `data`; the key is a generic secret with CKA_SIGN.

    Raises:
        KeyUnsuitable: the token makes no HMAC with a key as short as this one.
    """
    try:
        return bytes(key.method("sign")(data, mechanism=Mechanism.SHA256_HMAC))
    except KeySizeRange as error:
        raise KeyUnsuitable(
            f"the token makes no HMAC-SHA256 with a key of {key.shape.length} bytes: import it"
            f" anew, filled up with zeros to {SECRET_32.length}, which changes no HMAC"
        ) from error


def filled_up(value: Secret) -> Secret:
    """Return an HMAC key of up to 32 bytes as a `SECRET_32`, with zeros at its end.

    It stays the same key: HMAC itself fills keys up with zeros to the hash's block of 64
    bytes (RFC 2104, section 2). Tokens may refuse keys that are shorter than the hash.
    """
    padded = bytearray(SECRET_32.length)
    padded[: len(value)] = value.reveal()
    filled = Secret(padded)
    padded[:] = bytes(len(padded))
    return filled
