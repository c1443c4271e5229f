"""Key pairs in the token: made there, found again, and destroyed, always both halves.

The halves are two objects of one label and id. A token keeps neither the name unique nor the
halves together, so both are looked at whenever a pair is found. Secret keys have their own names.
"""

from dataclasses import dataclass
from typing import Any

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.exceptions import AttributeValueInvalid, DomainParamsInvalid, KeySizeRange

from hsm.attributes import RESTORED_SIGNING_KEY, SIGNING_KEY, VERIFYING_KEY, Template
from hsm.errors import KeyExists, KeyNotFound, KeyUnsuitable, MechanismUnavailable, hsm_errors
from hsm.importing import naming
from hsm.keys import KeyReference
from hsm.public_keys import (
    EC_PARAMETERS,
    RSA_BITS,
    KeyPairAlgorithm,
    PublicKey,
    algorithm_of,
    public_key_of,
)
from hsm.token import Token

_HALVES = {ObjectClass.PRIVATE_KEY: "private", ObjectClass.PUBLIC_KEY: "public"}


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key pair whose private half never leaves the token.

    Attributes:
        token: the login that it was found by.
        reference: the label and version of both halves.
        algorithm: what it is a key pair of.
        private: python-pkcs11's handle of the private half.
        public_key: the public half, here.
    """

    token: Token
    reference: KeyReference
    algorithm: KeyPairAlgorithm
    private: Any
    public_key: PublicKey


@hsm_errors
def generate_key_pair(
    token: Token,
    reference: KeyReference,
    algorithm: KeyPairAlgorithm,
    *,
    extractable: bool = False,
) -> KeyPair:
    """Make a key pair in the token under a new label and id.

    RSA keys have the public exponent 65537. An extractable one can be backed up.

    Raises:
        KeyExists: the label and id are taken.
        MechanismUnavailable: the token makes no key pairs of this algorithm.
    """
    require_no_pair(token, reference)
    signing = RESTORED_SIGNING_KEY if extractable else SIGNING_KEY
    try:
        generate_halves(token, algorithm, naming(reference), VERIFYING_KEY, signing)
    except (AttributeValueInvalid, DomainParamsInvalid, KeySizeRange) as error:
        raise MechanismUnavailable(f"the token makes no key pairs of {algorithm}") from error
    return find_key_pair(token, reference)


@hsm_errors
def require_no_pair(token: Token, reference: KeyReference) -> None:
    """Make sure that a label and id are free.

    Raises:
        KeyExists: a half of a key pair has them.
    """
    if any(_halves(token, reference, half) for half in _HALVES):
        raise KeyExists(f"{reference} is in the token already")


@hsm_errors
def find_key_pair(token: Token, reference: KeyReference) -> KeyPair:
    """Return the one key pair with this label and id.

    Raises:
        KeyNotFound: one half or both are not there, or more than once.
        KeyUnsuitable: the halves are of two algorithms or of one that tmsd does not sign with,
            or the private half may not sign.
        TokenLost: the token is gone.
    """
    private, public = both_halves(token, reference)
    try:
        return _matched(token, reference, private, public)
    except KeyUnsuitable as error:
        raise KeyUnsuitable(f"{reference}: {error}") from error


@hsm_errors
def lone_public_key(token: Token, reference: KeyReference) -> PublicKey | None:
    """Return the public half of a key pair that lacks the private one; None of any other.

    Raises:
        KeyUnsuitable: it is no public key that tmsd signs with.
    """
    private, public = (_halves(token, reference, half) for half in _HALVES)
    if private or len(public) != 1:
        return None
    return public_key_of(public[0], algorithm_of(public[0]))


@hsm_errors
def drop_lone_public_half(token: Token, reference: KeyReference) -> bool:
    """Destroy the public half of a key pair that lacks the private one; say whether there was one.

    An interruption leaves it where a token makes a key pair in more than one step.
    """
    private, public = (_halves(token, reference, half) for half in _HALVES)
    if private or not public:
        return False
    for handle in public:
        handle.destroy()
    return True


@hsm_errors
def list_key_pairs(token: Token) -> list[KeyReference]:
    """Return the names of the persistent key pairs with a one-byte id, by label and version.

    A name stands for at least one half; `find_key_pair` says whether it is a whole pair.
    """
    names = set()
    for half in _HALVES:
        for handle in token.session.get_objects({Attribute.CLASS: half, Attribute.TOKEN: True}):
            key_id = bytes(handle[Attribute.ID])
            if len(key_id) == 1:
                names.add(KeyReference(handle[Attribute.LABEL], key_id[0]))
    return sorted(names, key=lambda name: (name.label, name.version))


@hsm_errors
def destroy_key_pair(token: Token, reference: KeyReference) -> None:
    """Destroy a key pair for good: the private half first, then the public one.

    What is left of a pair whose destruction was interrupted is destroyed as well.

    Raises:
        KeyNotFound: there is no such key pair, or a half of it is there twice.
    """
    halves = {half: _halves(token, reference, half) for half in _HALVES}
    if not any(halves.values()):
        raise KeyNotFound(f"{reference}: it is not in the token")
    for half, found in halves.items():
        if len(found) > 1:
            raise KeyNotFound(f"{reference}: {len(found)} {_HALVES[half]} keys fit")
    for found in halves.values():
        for handle in found:
            handle.destroy()


@hsm_errors
def generate_halves(
    token: Token,
    algorithm: KeyPairAlgorithm,
    name: Template,
    public_half: Template,
    private_half: Template,
) -> None:
    """Make both halves in one call; each gets its template's attributes and the name."""
    public, private = {**public_half, **name}, {**private_half, **name}
    if algorithm in RSA_BITS:
        token.session.generate_keypair(
            KeyType.RSA,
            RSA_BITS[algorithm],
            mechanism=Mechanism.RSA_PKCS_KEY_PAIR_GEN,
            store=True,
            public_template=public,
            private_template=private,
        )
        return
    if algorithm is KeyPairAlgorithm.ED25519:
        key_type, mechanism = KeyType.EC_EDWARDS, Mechanism.EC_EDWARDS_KEY_PAIR_GEN
    else:
        key_type, mechanism = KeyType.EC, Mechanism.EC_KEY_PAIR_GEN
    curve = token.session.create_domain_parameters(
        key_type, {Attribute.EC_PARAMS: EC_PARAMETERS[algorithm]}, local=True
    )
    curve.generate_keypair(
        mechanism=mechanism, store=True, public_template=public, private_template=private
    )


def _matched(token: Token, reference: KeyReference, private: Any, public: Any) -> KeyPair:  # noqa: ANN401  see TokenKey
    algorithm = algorithm_of(public)
    if algorithm_of(private) is not algorithm:
        raise KeyUnsuitable("its halves are keys of two algorithms")
    if not private[Attribute.SIGN]:
        raise KeyUnsuitable("its private half lacks CKA_SIGN")
    return KeyPair(token, reference, algorithm, private, public_key_of(public, algorithm))


@hsm_errors
def both_halves(token: Token, reference: KeyReference) -> tuple[Any, Any]:
    """Return the handles of the private and the public half.

    Raises:
        KeyNotFound: one half or both are not there, or more than once.
    """
    private, public = (_halves(token, reference, half) for half in _HALVES)
    if not private and not public:
        raise KeyNotFound(f"{reference}: it is not in the token")
    for half, found in ((ObjectClass.PRIVATE_KEY, private), (ObjectClass.PUBLIC_KEY, public)):
        if not found:
            raise KeyNotFound(
                f"{reference}: its {_HALVES[half]} half is not in the token"
                f"{_other_ids(token, reference, half)}"
            )
        if len(found) > 1:
            raise KeyNotFound(f"{reference}: {len(found)} {_HALVES[half]} keys fit")
    return private[0], public[0]


def _halves(token: Token, reference: KeyReference, half: ObjectClass) -> list[Any]:
    return list(token.session.get_objects({Attribute.CLASS: half, **naming(reference)}))


def _other_ids(token: Token, reference: KeyReference, half: ObjectClass) -> str:
    """Say under which ids there is a half of this label; other programs give both their own."""
    template = {Attribute.CLASS: half, Attribute.LABEL: reference.label}
    ids = [bytes(handle[Attribute.ID]).hex() for handle in token.session.get_objects(template)]
    return f", but with CKA_ID {', '.join(sorted(ids))} and not {reference.id.hex()}" if ids else ""
