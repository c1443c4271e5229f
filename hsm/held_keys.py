"""Every persistent key object of a token, with what PKCS#11 says of it and what only it computes.

Nothing is left out that `tmsd` has no use for: keys of other kinds, halves of pairs, and objects
whose CKA_ID is no version are there as well.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pkcs11 import Attribute, ObjectClass

from hsm.errors import KeyNotFound, KeyUnsuitable, MechanismUnavailable, hsm_errors
from hsm.identity import identity, key_pair_identity
from hsm.key_pairs import find_key_pair
from hsm.keys import KeyReference, KeyShape
from hsm.public_keys import algorithm_of, public_key_of, spki_sha256
from hsm.token import Token

_CLASSES: Mapping[ObjectClass, str] = {
    ObjectClass.SECRET_KEY: "secret",
    ObjectClass.PRIVATE_KEY: "private",
    ObjectClass.PUBLIC_KEY: "public",
}

_LAST_VERSION = 255

# What a key may do and who may change it, and where it has been (PKCS#11 2.40, 4.6 to 4.10).
_BOOLEANS = (
    Attribute.PRIVATE,
    Attribute.MODIFIABLE,
    Attribute.SENSITIVE,
    Attribute.ALWAYS_SENSITIVE,
    Attribute.EXTRACTABLE,
    Attribute.NEVER_EXTRACTABLE,
    Attribute.LOCAL,
    Attribute.ENCRYPT,
    Attribute.DECRYPT,
    Attribute.SIGN,
    Attribute.SIGN_RECOVER,
    Attribute.VERIFY,
    Attribute.VERIFY_RECOVER,
    Attribute.WRAP,
    Attribute.UNWRAP,
    Attribute.DERIVE,
    Attribute.TRUSTED,
    Attribute.WRAP_WITH_TRUSTED,
)


@dataclass(frozen=True, slots=True)
class HeldKey:
    """A key object in a token.

    Attributes:
        kind: `secret`, `private` or `public`, for its CKA_CLASS.
        label: its CKA_LABEL.
        id: its CKA_ID, in hexadecimal.
        algorithm: as `aes256`, `des3`, `secret32` (32 bytes) or `p256`; the name of its
            CKA_KEY_TYPE where it is of no kind that tmsd works with.
        attributes: which of the boolean attributes are true, as `DERIVE`, in alphabetical order.
        check: in hexadecimal, 3 bytes that a secret key computes, most often its check value; of
            a half of a pair the SHA-256 of the SubjectPublicKeyInfo, after the private half has
            signed. Empty where there is none.
    """

    kind: str
    label: str
    id: str
    algorithm: str
    attributes: tuple[str, ...]
    check: str


@hsm_errors
def held_keys(token: Token) -> list[HeldKey]:
    """Return all persistent key objects, by class, label and id; each private half signs once.

    Raises:
        HsmError: the token fails, or is gone.
    """
    held = [
        _held(token, object_class, handle)
        for object_class in _CLASSES
        for handle in list(
            token.session.get_objects({Attribute.CLASS: object_class, Attribute.TOKEN: True})
        )
    ]
    return sorted(held, key=lambda key: (key.kind, key.label, key.id))


def _held(token: Token, object_class: ObjectClass, handle: Any) -> HeldKey:  # noqa: ANN401  see TokenKey
    label, key_id = str(handle[Attribute.LABEL]), bytes(handle[Attribute.ID])
    told = handle.get_attributes(list(_BOOLEANS))
    describe = _DESCRIBED[object_class]
    algorithm, check = describe(token, KeyReference(label, int.from_bytes(key_id)), handle)
    return HeldKey(
        kind=_CLASSES[object_class],
        label=label,
        id=key_id.hex(),
        algorithm=algorithm,
        attributes=tuple(sorted(each.name for each in _BOOLEANS if told.get(each))),
        check=check.hex(),
    )


def _secret(token: Token, reference: KeyReference, handle: Any) -> tuple[str, bytes]:  # noqa: ANN401  see TokenKey
    try:
        key = token.known_key(reference, handle)
    except KeyUnsuitable:
        return _key_type(handle), b""
    return _shape_name(key.shape), identity(token, key).check_value


def _private(token: Token, reference: KeyReference, handle: Any) -> tuple[str, bytes]:  # noqa: ANN401  see TokenKey
    check = b""
    with suppress(KeyNotFound, KeyUnsuitable, MechanismUnavailable):
        if reference.version <= _LAST_VERSION:
            check = key_pair_identity(find_key_pair(token, reference)).spki_sha256
    return _pair_algorithm(handle), check


def _public(_token: Token, _reference: KeyReference, handle: Any) -> tuple[str, bytes]:  # noqa: ANN401  see TokenKey
    check = b""
    with suppress(KeyUnsuitable):
        check = spki_sha256(public_key_of(handle, algorithm_of(handle)))
    return _pair_algorithm(handle), check


_DESCRIBED: Mapping[ObjectClass, Callable[[Token, KeyReference, Any], tuple[str, bytes]]] = {
    ObjectClass.SECRET_KEY: _secret,
    ObjectClass.PRIVATE_KEY: _private,
    ObjectClass.PUBLIC_KEY: _public,
}


def _pair_algorithm(handle: Any) -> str:  # noqa: ANN401  see TokenKey
    try:
        return str(algorithm_of(handle))
    except KeyUnsuitable:
        return _key_type(handle)


def _shape_name(shape: KeyShape) -> str:
    if shape.is_generic:
        return f"secret{shape.length}"
    return f"aes{shape.length * 8}" if shape.is_aes else f"des{shape.length // 8}"


def _key_type(handle: Any) -> str:  # noqa: ANN401  see TokenKey
    return str(handle[Attribute.KEY_TYPE].name).lower()
