"""Step: generate a key that serves the daemon itself, under the next version number."""

from hsm import importing
from hsm.attributes import SERVICE_MAC_KEY, SERVICE_MAC_KEY_IN_STEPS
from hsm.capabilities import signs_aes_cmac
from hsm.keys import AES_256, KeyReference
from hsm.token import Token
from tmsd.ceremony.described_key import DescribedKey, describe
from tmsd.ceremony.refusal import Refused
from tmsd.config.reserved_keys import SERVICE_KEYS

_LAST_VERSION = 0xFF  # CKA_ID is one byte


def generate_service_key(token: Token, label: str) -> DescribedKey:
    """Generate the next version of one of the daemon's own keys: AES-256, for MACs alone.

    Args:
        token: opened writable.
        label: one of tmsd.config.reserved_keys.SERVICE_KEYS.

    Raises:
        Refused: it is none of them, or all versions are used up.
        HsmError: the token refuses.
    """
    if label not in SERVICE_KEYS:
        raise Refused(f"{label!r} is not one of the daemon's keys: {', '.join(SERVICE_KEYS)}")
    versions = [reference.version for reference, _ in token.list_keys(label)]
    version = max(versions, default=0) + 1
    if version > _LAST_VERSION:
        raise Refused(f"{KeyReference(label, _LAST_VERSION)} is the last that can be")
    reference = KeyReference(label, version)
    template = SERVICE_MAC_KEY if signs_aes_cmac(token) else SERVICE_MAC_KEY_IN_STEPS
    return describe(reference, importing.generate_key(token, reference, AES_256, template))


def generate_service_keys(token: Token) -> tuple[DescribedKey, ...]:
    """Generate the next version of each of the daemon's own keys.

    Raises:
        Refused, HsmError: as generate_service_key does.
    """
    return tuple(generate_service_key(token, label) for label in SERVICE_KEYS)
