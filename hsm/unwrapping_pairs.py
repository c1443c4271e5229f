"""RSA key pairs of the token for which somebody else wraps keys: the private half only unwraps."""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from pkcs11 import Attribute, KeyType, ObjectClass

from hsm.attributes import DELIVERED_KEY, UNWRAPPING_KEY, WRAPPING_KEY
from hsm.errors import HsmError, KeyUnsuitable, hsm_errors
from hsm.handing_over import OaepHash, wrap_to
from hsm.importing import generate_session_key, naming
from hsm.key_pairs import both_halves, destroy_key_pair, generate_halves, require_no_pair
from hsm.keys import AES_256, KeyReference, KeyShape, TokenKey
from hsm.public_keys import KeyPairAlgorithm, algorithm_of, public_key_of
from hsm.token import Token
from hsm.unwrapping import WrappedForm, WrappedKey, wrapped_length

_OTHER_USES = (Attribute.SIGN, Attribute.DECRYPT, Attribute.EXTRACTABLE)


@dataclass(frozen=True, slots=True)
class UnwrappingPair:
    """A key pair whose private half never leaves the token, and unwraps.

    Attributes:
        private: the private half.
        public_key: the public half, here.
        algorithm: RSA with so many bits.
    """

    private: TokenKey
    public_key: RSAPublicKey
    algorithm: KeyPairAlgorithm


def generate_unwrapping_pair(
    token: Token, reference: KeyReference, algorithm: KeyPairAlgorithm
) -> UnwrappingPair:
    """Make an RSA key pair under a new label and id, and have it unwrap a key once.

    Raises:
        KeyExists: the label and id are taken.
        MechanismUnavailable: the token does not wrap and unwrap with it; it is not left behind.
    """
    require_no_pair(token, reference)
    generate_halves(token, algorithm, naming(reference), WRAPPING_KEY, UNWRAPPING_KEY)
    try:
        return find_unwrapping_pair(token, reference)
    except HsmError:
        destroy_key_pair(token, reference)
        raise


def find_unwrapping_pair(token: Token, reference: KeyReference) -> UnwrappingPair:
    """Return the key pair with this label and id, once it has unwrapped a key.

    Raises:
        KeyNotFound: one half or both are not there, or more than once.
        KeyUnsuitable: it is for something else, or its halves do not belong together.
        TokenLost: the token is gone.
    """
    pair = _read(token, reference)
    with token.operation() as operation:
        leaving = generate_session_key(operation, AES_256, DELIVERED_KEY)
        wrapped = wrap_to(operation, pair.public_key, leaving, OaepHash.SHA1)
    proof = WrappedKey(WrappedForm.RSA_OAEP_SHA1, pair.private, wrapped)
    if wrapped_length(token, proof) != AES_256.length:
        raise KeyUnsuitable(f"{reference}: its halves do not belong together")
    return pair


@hsm_errors
def unwraps(token: Token, reference: KeyReference) -> bool:
    """Say whether a private half of this label and id unwraps; nothing else is looked at."""
    sought = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.UNWRAP: True}
    return any(token.session.get_objects({**sought, **naming(reference)}))


@hsm_errors
def _read(token: Token, reference: KeyReference) -> UnwrappingPair:
    private, public = both_halves(token, reference)
    algorithm = algorithm_of(public)
    if algorithm_of(private) is not algorithm:
        raise KeyUnsuitable(f"{reference}: its halves are keys of two algorithms")
    public_key = public_key_of(public, algorithm)
    if not isinstance(public_key, RSAPublicKey):
        raise KeyUnsuitable(f"{reference} is a key pair of {algorithm}, and unwraps nothing")
    if not private[Attribute.UNWRAP] or any(private[other] for other in _OTHER_USES):
        raise KeyUnsuitable(f"{reference} is no key pair that unwraps and does nothing else")
    shape = KeyShape(KeyType.RSA, public_key.key_size // 8)
    return UnwrappingPair(TokenKey(private, shape), public_key, algorithm)
