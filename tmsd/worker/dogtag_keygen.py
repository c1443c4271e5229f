"""Keys for server-side key generation, made in the token: for a card, and for the DRM.

A DRM that generates a card's key pair sends the private key to the card under such a key. Both
get it here: the card under its DEK, the DRM under its RSA key, and nobody else.

The card takes a triple DES key as K1 ‖ K2, the DRM the same as K1 ‖ K2 ‖ K1. Equal blocks encrypt
to equal blocks, so that both are derived from a random key of the token by encrypting random bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from hsm import keys as shapes
from hsm.attributes import AES_CARD_KEY, DES_CARD_KEY
from hsm.handing_over import OaepHash
from hsm.importing import generate_session_key
from hsm.keys import TokenKey
from hsm.operation import Operation
from tmsd.config.dogtag import KeygenKey as Kind
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.keys import Algorithm, Use, key_check_value
from tmsd.vault.dogtag_messages import KeygenKey, KeygenKeys
from tmsd.worker import leaving
from tmsd.worker.context import Context
from tmsd.worker.dogtag_cards import Admitted, Deriving
from tmsd.worker.hsm_key import HsmKey

_HALF = 8

_Derive = Callable[[type[HsmKey]], HsmKey]


def require_drm(context: Context, card: Admitted) -> RSAPublicKey:
    """Return the public key of the DRM that a TPS goes to.

    Raises:
        ServiceError: `purpose-not-allowed`: the policy names none.
    """
    certificate = context.policy.kra_certificates.get(card.caller.name)
    key = certificate.public_key() if certificate is not None else None
    if not isinstance(key, RSAPublicKey):
        raise ServiceError(
            Code.PURPOSE_NOT_ALLOWED,
            f"{card.caller.name} has no kra_certificate in the policy: no keys are made for "
            "server-side key generation",
            pointer="/server_side_keygen",
        )
    return key


def make_keys(
    deriving: Deriving, card: Admitted, dek: HsmKey, *, also_aes: bool
) -> tuple[KeygenKeys, bool]:
    """Make the keys that the policy has for a TPS.

    Args:
        deriving: owns what is made.
        card: whose DEK it is.
        dek: encrypts keys for the card.
        also_aes: whether the protocol has a place for an AES key.

    Returns:
        The keys, and whether one's value was in this process's memory.

    Raises:
        ServiceError: `purpose-not-allowed`, `mechanism-unavailable`.
    """
    context, operation = deriving.context, deriving.operation
    recipients = _Recipients(context, card, dek, require_drm(context, card))
    halves = context.token.random(2 * _HALF)
    base = generate_session_key(operation, shapes.DES3, DES_CARD_KEY)
    of_card = partial(_derived, operation, base, halves, Algorithm.DES2)
    of_drm = partial(_derived, operation, base, halves + halves[:_HALF], Algorithm.DES3)
    des, exposed = recipients.give(of_card, of_drm)
    if not (also_aes and Kind.AES in card.tps.keygen_keys):
        return KeygenKeys(des=des, aes=None), exposed
    base = generate_session_key(operation, shapes.AES_128, AES_CARD_KEY)
    derive = partial(_derived, operation, base, context.token.random(16), Algorithm.AES_128)
    aes, also_exposed = recipients.give(derive, derive)
    return KeygenKeys(des=des, aes=aes), exposed or also_exposed


def _derived(
    operation: Operation, base: TokenKey, data: bytes, into: Algorithm, kind: type[HsmKey]
) -> HsmKey:
    return kind(operation, base).derive_ecb(data, into, Use.NEW_CARD_KEY)


@dataclass(frozen=True, slots=True)
class _Recipients:
    """Who gets a key: a card under its DEK, and a DRM."""

    context: Context
    card: Admitted
    dek: HsmKey
    drm: RSAPublicKey

    def give(self, of_card: _Derive, of_drm: _Derive) -> tuple[KeygenKey, bool]:
        """Encrypt what one derives for the card, and what the other does for the DRM."""
        caller, key_set = self.card.caller, self.card.key_set
        transport = self.context.policy.transport_keys[str(caller.transport_key)]
        under_dek, was_readable = leaving.under_dek(
            self.dek,
            of_card,
            may_be_read=key_set.allow_key_material_in_worker,
            setting=f"key_sets.{key_set.name}",
        )
        for_drm, was_readable_there = leaving.to_recipient(
            self.drm,
            of_drm,
            OaepHash.SHA256 if self.card.tps.kra_oaep else None,
            may_be_read=transport.allow_key_material_in_worker,
            setting=f"transport_keys.{transport.name}",
        )
        check_value = key_check_value(of_card(HsmKey))
        made = KeygenKey(under_dek=under_dek, key_check_value=check_value, for_drm=for_drm)
        return made, was_readable or was_readable_there
