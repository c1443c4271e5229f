"""Halves of key pairs that other programs may have made, or have made badly."""

from typing import Any

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from hsm.attributes import SIGNING_KEY, VERIFYING_KEY, Template
from hsm.importing import naming
from hsm.keys import KeyReference
from hsm.token import Token


def half(token: Token, name: KeyReference, of: ObjectClass) -> Any:  # noqa: ANN401  see TokenKey
    """Return the one half of a pair."""
    [handle] = token.session.get_objects({Attribute.CLASS: of, **naming(name)})
    return handle


def replace_public_half(token: Token, name: KeyReference, changed: Template) -> None:
    """Put another public half in the place of a pair's own, which differs in some attributes."""
    old = half(token, name, ObjectClass.PUBLIC_KEY)
    if old[Attribute.KEY_TYPE] is KeyType.RSA:
        value = (Attribute.MODULUS, Attribute.PUBLIC_EXPONENT)
    else:
        value = (Attribute.EC_PARAMS, Attribute.EC_POINT)
    kept = {attribute: old[attribute] for attribute in (Attribute.KEY_TYPE, *value)}
    old.destroy()
    token.session.create_object({**VERIFYING_KEY, **naming(name), **kept, **changed})


def make_on_curve(
    token: Token,
    name: KeyReference,
    curve: str,
    *,
    public: Template | None = None,
    private: Template | None = None,
) -> None:
    """Make a pair on any curve that asn1crypto has a name for, with some attributes changed."""
    parameters = token.session.create_domain_parameters(
        KeyType.EC, {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
    )
    parameters.generate_keypair(
        mechanism=Mechanism.EC_KEY_PAIR_GEN,
        store=True,
        public_template={**VERIFYING_KEY, **naming(name), **(public or {})},
        private_template={**SIGNING_KEY, **naming(name), **(private or {})},
    )
