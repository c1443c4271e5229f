"""What a token does of all that tmsd may ask: found out by asking it.

C_GetMechanismList is no answer. Tokens list what they refuse (SoftHSM 2.6 lists CKM_DES3_CBC
as wrapping) and refuse by key type or length. So each operation is tried, as the daemon has
it, on keys that are made for the trial and destroyed with it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from secrets import token_bytes

from pkcs11 import Attribute

from hsm import attributes
from hsm.attributes import Template
from hsm.cmac import cmac
from hsm.errors import HsmError, MechanismUnavailable, TokenLost
from hsm.hmac import hmac_sha256
from hsm.importing import generate_session_key, import_session_key, set_odd_parity
from hsm.kdf import derive_cbc, derive_cmac_counter, derive_ecb
from hsm.keys import AES_128, DES2, SECRET_32, KeyShape, TokenKey
from hsm.operation import Operation
from hsm.secret import Secret
from hsm.token import Token
from hsm.wrapping import wrap_for_transport, wrap_key


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Whether a token does each of these.

    Attributes:
        derives_aes_ecb: C_DeriveKey with CKM_AES_ECB_ENCRYPT_DATA, and CKM_AES_ECB for the
            steps of a CMAC before it (kdf.py).
        derives_des3_ecb: C_DeriveKey with CKM_DES3_ECB_ENCRYPT_DATA, of two-key triple DES.
        derives_des3_cbc: C_DeriveKey with CKM_DES3_CBC_ENCRYPT_DATA, likewise.
        signs_aes_cmac: C_Sign with CKM_AES_CMAC.
        signs_hmac_sha256: C_Sign with CKM_SHA256_HMAC.
        wraps_aes_cbc: C_WrapKey with CKM_AES_CBC, without padding.
        wraps_des3_ecb: C_WrapKey with CKM_DES3_ECB, without padding.
        wraps_aes_key_wrap: C_WrapKey with CKM_AES_KEY_WRAP (RFC 3394).
    """

    derives_aes_ecb: bool
    derives_des3_ecb: bool
    derives_des3_cbc: bool
    signs_aes_cmac: bool
    signs_hmac_sha256: bool
    wraps_aes_cbc: bool
    wraps_des3_ecb: bool
    wraps_aes_key_wrap: bool


def probe(token: Token) -> Capabilities:
    """Try everything, with session objects alone; whatever was made is destroyed again.

    Raises:
        TokenLost: the token is gone. What it merely refuses raises nothing.
    """
    return Capabilities(
        derives_aes_ecb=_does(token, _derives_aes_ecb),
        derives_des3_ecb=_does(token, _derives_des3_ecb),
        derives_des3_cbc=_does(token, _derives_des3_cbc),
        signs_aes_cmac=signs_aes_cmac(token),
        signs_hmac_sha256=_does(token, _signs_hmac_sha256),
        wraps_aes_cbc=_does(token, _wraps_aes_cbc),
        wraps_des3_ecb=_does(token, _wraps_des3_ecb),
        wraps_aes_key_wrap=_does(token, _wraps_aes_key_wrap),
    )


def signs_aes_cmac(token: Token) -> bool:
    """Try that alone: it decides which attributes a key needs to make MACs (cmac.py)."""
    return _does(token, _signs_aes_cmac)


def keeps_unextractable_keys(token: Token) -> bool:
    """Say whether a key leaves wrapped only if it has CKA_EXTRACTABLE (PKCS#11 2.40, 4.8).

    NSS's softokn wraps all.
    """
    return not _does(token, _wraps_unextractable_keys)


def _does(token: Token, trial: Callable[[Operation], bool]) -> bool:
    try:
        with token.operation() as operation:
            return trial(operation)
    except TokenLost:
        # Some tokens refuse with CKR_FUNCTION_FAILED or CKR_GENERAL_ERROR, which mean a loss
        # elsewhere. One that is lost does not answer this, either.
        token.random(1)
        return False
    except HsmError:
        return False


def _derives_aes_ecb(operation: Operation) -> bool:
    base = key_for_trial(operation, AES_128, attributes.AES_CARD_KEY)
    two_blocks = [[bytes(32)]]
    derive_cmac_counter(operation, base, two_blocks, AES_128, attributes.AES_SESSION_MAC_KEY)
    return True


def _derives_des3_ecb(operation: Operation) -> bool:
    base = key_for_trial(operation, DES2, attributes.DES_CARD_KEY)
    derive_ecb(operation, base, bytes(16), DES2, attributes.DES_SESSION_MAC_KEY)
    return True


def _derives_des3_cbc(operation: Operation) -> bool:
    base = key_for_trial(operation, DES2, attributes.DES_CARD_KEY)
    derive_cbc(operation, base, bytes(16), DES2, attributes.DES_SESSION_MAC_KEY)
    return True


def _signs_aes_cmac(operation: Operation) -> bool:
    key = key_for_trial(operation, AES_128, attributes.AES_SESSION_MAC_KEY)
    return len(cmac(key, bytes(16))) == 16


def _signs_hmac_sha256(operation: Operation) -> bool:
    key = key_for_trial(operation, SECRET_32, of_session(attributes.HMAC_MASTER_KEY))
    return len(hmac_sha256(key, bytes(16))) == 32


def _wraps_aes_cbc(operation: Operation) -> bool:
    return _wraps_whole_blocks(operation, AES_128)


def _wraps_des3_ecb(operation: Operation) -> bool:
    return _wraps_whole_blocks(operation, DES2)


def _wraps_whole_blocks(operation: Operation, shape: KeyShape) -> bool:
    wrapping = key_for_trial(operation, shape, attributes.DATA_ENCRYPTION_KEY)
    leaving = key_for_trial(operation, shape, attributes.NEW_CARD_KEY)
    # A token that pads makes no PUT KEY.
    return len(wrap_key(wrapping, leaving)) == shape.length


def _wraps_unextractable_keys(operation: Operation) -> bool:
    wrapping = key_for_trial(operation, AES_128, attributes.DATA_ENCRYPTION_KEY)
    staying = key_for_trial(operation, AES_128, attributes.SESSION_ENC_KEY)
    return bool(wrap_key(wrapping, staying))


def _wraps_aes_key_wrap(operation: Operation) -> bool:
    wrapping = key_for_trial(operation, AES_128, of_session(attributes.TRANSPORT_KEY))
    leaving = key_for_trial(operation, AES_128, attributes.DELIVERED_KEY)
    return len(wrap_for_transport(wrapping, leaving)) == AES_128.length + 8


def key_for_trial(operation: Operation, shape: KeyShape, template: Template) -> TokenKey:
    """Make a random key that ends with a trial, in the token if it can."""
    try:
        return generate_session_key(operation, shape, template)
    except MechanismUnavailable:
        # openCryptoki's token makes no two-key triple DES, and takes keys of it that are brought.
        value = Secret(token_bytes(shape.length))
        if not (shape.is_aes or shape.is_generic):
            set_odd_parity(value)
        with value:
            return import_session_key(operation, value, shape, template)


def of_session(template: Template) -> Template:
    """Return the template of a persistent key, for a key that lasts as long as the trial."""
    return {**template, Attribute.TOKEN: False}
