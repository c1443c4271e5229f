"""What a card maker would send, for rehearsals: made-up keys, wrapped as a script expects them.

The values lie in the folder of the rehearsal, which is thrown away.
"""

import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.keywrap import aes_key_wrap, aes_key_wrap_with_padding

from hsm.importing import set_odd_parity
from hsm.key_block import seal_key
from hsm.keys import KeyReference, KeyShape, TokenKey
from hsm.secret import Secret
from hsm.token import Token
from hsm.unwrapping import WrappedForm, WrappedKey
from hsm.unwrapping_pairs import find_unwrapping_pair
from tmsd.ceremony.key_block import key_block, passing_header
from tmsd.ceremony.room import Room
from tmsd.ceremony.wrapped_key_step import WrappedKeyStep


def leave_value(room: Room, reference: KeyReference, shape: KeyShape) -> bytes:
    """Make up the value of a key, and leave it for who wraps it, or others under it."""
    value = Secret(secrets.token_bytes(shape.length))
    if not shape.is_aes:
        set_odd_parity(value)
    with value as made:
        _place(room, reference).write_bytes(made)
        return bytes(made)


def made_up_wrapped_key(
    room: Room, token: Token, step: WrappedKeyStep, form: WrappedForm, unwrapping: TokenKey
) -> WrappedKey:
    """Wrap the made-up key of a step; by SHA-1, as SoftHSM 2.6 has OAEP with no other."""
    value = _left_value(room, step.key.reference)
    if form.is_rsa:
        form = WrappedForm.RSA_OAEP_SHA1
        recipient = find_unwrapping_pair(token, step.zone_reference).public_key
        content = recipient.encrypt(value, OAEP(MGF1(SHA1()), SHA1(), None))  # noqa: S303
    else:
        wrap = aes_key_wrap if form is WrappedForm.AES_KW else aes_key_wrap_with_padding
        content = wrap(_left_value(room, step.zone_reference), value)
    return WrappedKey(form, unwrapping, content)


def made_up_key_block(
    room: Room, token: Token, step: WrappedKeyStep, protection: TokenKey
) -> bytes:
    """Make a key block of the made-up key of a step, with a header that is let pass.

    Raises:
        HsmError: the token refuses.
    """
    with Secret(_left_value(room, step.key.reference)) as value:
        header = passing_header(step.purpose, step.algorithm, protection.shape, len(value))
        return key_block(seal_key(token, protection, header, Secret(value)))


def _left_value(room: Room, reference: KeyReference) -> bytes:
    return _place(room, reference).read_bytes()


def _place(room: Room, reference: KeyReference) -> Path:
    return room.folder / f".made-up-{reference.label.encode().hex()}-{reference.version}"
