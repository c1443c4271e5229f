"""What a rehearsal takes over from card makers: made-up keys, and those under which they arrive."""

import secrets

from hsm import importing
from hsm.keys import AES_256, KeyReference
from hsm.public_keys import KeyPairAlgorithm
from hsm.secret import Secret
from hsm.unwrapping_pairs import generate_unwrapping_pair
from tmsd.ceremony.made_up_keys import leave_value
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import Script
from tmsd.ceremony.steps.generate_zone_key_pair import GenerateZoneKeyPair
from tmsd.ceremony.steps.import_key import ImportKey, import_value
from tmsd.ceremony.steps.import_key_block import ImportKeyBlock
from tmsd.ceremony.steps.import_wrapped_key import ImportWrappedKey
from tmsd.ceremony.steps.initialise_token import InitialiseToken
from tmsd.ceremony.wanted_key import Purpose, WantedKey
from tmsd.ceremony.wrapped_key_step import WrappedKeyStep
from tmsd.config.key_sets import KeyAlgorithm


def leave_wrapped_keys(script: Script, room: Room) -> None:
    """Make up the keys that come from card makers, and what is in the token to open them.

    Where custodians bring a zone master key in the script, its components are handed to them.

    Raises:
        HsmError: the token refuses.
    """
    there = set[KeyReference]()
    blank = isinstance(script.steps[0], InitialiseToken)
    for step in script.steps:
        if isinstance(step, WrappedKeyStep):
            if step.zone_reference not in there and not blank:
                _leave_zone_key(room, step)
                there.add(step.zone_reference)
            leave_value(room, step.key.reference, step.key.component_shapes[0])
            there.add(step.key.reference)
        elif isinstance(step, ImportKey) and step.purpose.is_of_zone:
            _hand_components(room, step)
            there.add(step.key.reference)
        elif isinstance(step, GenerateZoneKeyPair):
            there.add(step.reference)


def _leave_zone_key(room: Room, step: WrappedKeyStep) -> None:
    reference = step.zone_reference
    with room.token() as token:
        if isinstance(step, ImportWrappedKey) and step.form.is_rsa:
            generate_unwrapping_pair(token, reference, KeyPairAlgorithm.RSA2048)
            return
        value = Secret(leave_value(room, reference, AES_256))
        purpose = (
            Purpose.KEY_BLOCK_PROTECTION
            if isinstance(step, ImportKeyBlock)
            else Purpose.ZONE_MASTER
        )
        with value:
            wanted = WantedKey(reference, KeyAlgorithm.AES256, purpose)
            import_value(token, wanted, value, AES_256)


def _hand_components(room: Room, step: ImportKey) -> None:
    """Hand components to custodians that combine to a value which is made up, and left."""
    shape = step.key.component_shapes[0]
    last = Secret(leave_value(room, step.key.reference, shape))
    for number, custodian in enumerate(step.custodians, start=1):
        component = last
        if number < len(step.custodians):
            component = Secret(secrets.token_bytes(shape.length))
            last = importing.combine([last, component], shape)
        typed = Secret(component.reveal().hex().encode("ascii"))
        room.people.handed_over(custodian, step.what(number), typed)
