"""What a rehearsal takes over from ceremonies that went before: keys, each with a made-up value."""

from hsm.key_pairs import generate_key_pair
from hsm.keys import KeyReference
from hsm.public_keys import KeyPairAlgorithm
from tmsd.ceremony.key_pair_step import KeyPairStep
from tmsd.ceremony.key_step import KeyStep
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import Script
from tmsd.ceremony.steps.destroy_key import DestroyKey
from tmsd.ceremony.steps.destroy_key_pair import DestroyKeyPair
from tmsd.ceremony.steps.generate_key import generate_key
from tmsd.ceremony.steps.generate_key_pair import GenerateKeyPair
from tmsd.ceremony.steps.generate_zone_key_pair import GenerateZoneKeyPair
from tmsd.ceremony.steps.make_root import MakeRoot
from tmsd.ceremony.wanted_key import WantedKey
from tmsd.config.key_sets import KeyAlgorithm


def leave_keys(script: Script, room: Room) -> None:
    """Make the keys that steps find in the token where no step before them makes them.

    Args:
        script: what will be rehearsed; it does not initialise the token.
        room: of the rehearsal.

    Raises:
        HsmError: the token refuses.
    """
    keys = set[KeyReference]()
    pairs = set[KeyReference]()
    for step in script.steps:
        match step:
            case KeyStep():
                keys.add(step.key.reference)
            case DestroyKey() if step.reference in keys:
                keys.remove(step.reference)
            case DestroyKey():
                with room.token() as token:
                    generate_key(token, WantedKey(step.reference, KeyAlgorithm.AES256))
            case DestroyKeyPair() if step.reference in pairs:
                pairs.remove(step.reference)
            case GenerateKeyPair() | GenerateZoneKeyPair():
                pairs.add(step.reference)
            case KeyPairStep() if step.reference not in pairs:
                wants_rsa = isinstance(step, MakeRoot) and step.pss
                algorithm = KeyPairAlgorithm.RSA2048 if wants_rsa else KeyPairAlgorithm.P256
                with room.token() as token:
                    generate_key_pair(token, step.reference, algorithm)
                if not isinstance(step, DestroyKeyPair):
                    pairs.add(step.reference)
