"""What a token is asked beside its mechanisms: attributes, signatures, backups, random bytes.

All of it is tried, as in capabilities.py, with session objects that end with the trial. Each
function returns what is wrong in a few words, or None.
"""

from collections.abc import Callable
from contextlib import suppress
from secrets import token_hex

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.hashes import SHA256
from pkcs11 import Attribute

from hsm import attributes
from hsm.attributes import Template
from hsm.backup import backup_key_check_value
from hsm.capabilities import key_for_trial, of_session
from hsm.errors import HsmError, KeyNotFound, MechanismUnavailable, TokenLost, hsm_errors
from hsm.identity import key_pair_identity
from hsm.importing import naming
from hsm.kdf import derive_ecb
from hsm.key_pairs import KeyPair, destroy_key_pair, find_key_pair, generate_halves
from hsm.keys import AES_128, AES_256, DES2, KeyReference, KeyShape, TokenKey
from hsm.operation import Operation
from hsm.public_keys import KeyPairAlgorithm
from hsm.signing import RsaSigningKey, signing_key
from hsm.token import Token

_RANDOM_LENGTH = 16
_LONGEST_KEY = 32


def attributes_fault(token: Token, shape: KeyShape, template: Template) -> str | None:
    """Make a key with the attributes of its purpose, and compare those that it has.

    A key that would not be persistent is derived, where the token derives.
    """
    return _fault(token, lambda: _changed(token, shape, template))


def signing_fault(token: Token, algorithm: KeyPairAlgorithm, *, pss: bool = False) -> str | None:
    """Make a key pair, and have it sign: RSA by PKCS #1 v1.5, or by PSS with SHA-256."""
    return _fault(token, lambda: _sign_with_new_pair(token, algorithm, pss))


def backup_fault(token: Token) -> str | None:
    """Have a backup key wrap a key, and put it back."""
    return _fault(token, lambda: _back_up(token))


def random_fault(token: Token) -> str | None:
    """Ask for random bytes twice; they are compared with each other alone."""
    return _fault(token, lambda: _draw(token))


def _fault(token: Token, trial: Callable[[], str | None]) -> str | None:
    try:
        return trial()
    except TokenLost as error:
        token.random(1)  # as in capabilities.py: one that is lost does not answer this, either
        return _words(error)
    except HsmError as error:
        return _words(error)


def _words(error: HsmError) -> str:
    """Return what it says, without where in this package it was said."""
    refusal = type(error.__cause__).__name__
    return refusal if str(error).startswith(refusal) else str(error)


@hsm_errors
def _changed(token: Token, shape: KeyShape, template: Template) -> str | None:
    wanted = of_session(template)
    with token.operation() as operation:
        key = _made_as_in_use(operation, shape, template)
        told = key.handle.get_attributes(list(wanted))
    changed = [name for name, value in wanted.items() if told.get(name) != value]
    if not changed:
        return None
    return "made otherwise: " + ", ".join(
        f"{name.name} {told.get(name, 'not told')}" for name in changed
    )


def _made_as_in_use(operation: Operation, shape: KeyShape, template: Template) -> TokenKey:
    if not template[Attribute.TOKEN]:
        family, of_card = (
            (AES_128, attributes.AES_CARD_KEY) if shape.is_aes else (DES2, attributes.DES_CARD_KEY)
        )
        with suppress(MechanismUnavailable):
            base = key_for_trial(operation, family, of_card)
            return derive_ecb(operation, base, bytes(_LONGEST_KEY), shape, template)
    return key_for_trial(operation, shape, of_session(template))


def _sign_with_new_pair(token: Token, algorithm: KeyPairAlgorithm, pss: bool) -> None:
    reference = KeyReference(f"trial {token_hex(8)}", 1)
    verifying, signing = (
        of_session(each) for each in (attributes.VERIFYING_KEY, attributes.SIGNING_KEY)
    )
    try:
        generate_halves(token, algorithm, naming(reference), verifying, signing)
        pair = find_key_pair(token, reference)
        if pss:
            _sign_by_pss(pair)
        else:
            key_pair_identity(pair)
    finally:
        with suppress(KeyNotFound):
            destroy_key_pair(token, reference)


def _sign_by_pss(pair: KeyPair) -> None:
    key = signing_key(pair)
    if isinstance(key, RsaSigningKey):
        padding, data = PSS(MGF1(SHA256()), PSS.DIGEST_LENGTH), b"trial"
        key.public_key().verify(key.sign(data, padding, SHA256()), data, padding, SHA256())


def _back_up(token: Token) -> None:
    with token.operation() as operation:
        key = key_for_trial(operation, AES_256, attributes.JOINED_BACKUP_KEY)
        backup_key_check_value(token, key)


def _draw(token: Token) -> str | None:
    repeats = token.random(_RANDOM_LENGTH) == token.random(_RANDOM_LENGTH)
    return "the same bytes twice" if repeats else None
