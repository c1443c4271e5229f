"""New keys for a card, and challenges under its DEK, for a TPS of Dogtag.

One function per message, of the same name. Neither carries a session of its own: a voucher says
that the card had one lately.
"""

from functools import partial
from hmac import compare_digest

from tmsd.clock import now
from tmsd.config.key_sets import Scp
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform import put_key
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Use, key_check_value
from tmsd.globalplatform.put_key import WrappedKey
from tmsd.globalplatform.scp02 import SessionKey
from tmsd.vault import dogtag_messages
from tmsd.worker import admission, leaving
from tmsd.worker.admission import WantedKeys
from tmsd.worker.card_keys import CardIdentity
from tmsd.worker.context import Context
from tmsd.worker.dogtag_cards import (
    Admitted,
    Deriving,
    admit,
    recent_sequence_counter,
    require_recent_session,
)
from tmsd.worker.dogtag_sessions import scp02_key, wrapped_scp02_key
from tmsd.worker.hsm_key import HsmKey

CHALLENGE_LENGTH = 16


def make_key_set_data(
    context: Context, request: dogtag_messages.MakeKeySetData
) -> dogtag_messages.KeySetDataMade:
    """Encrypt a card's new keys under its DEK, for a PUT KEY command that the TPS makes.

    Raises:
        ServiceError: as the policy has it, `change-not-allowed` among it; `session-invalid`,
            `session-foreign`, `session-expired`; `key-missing`; `mechanism-unavailable`.
    """
    card = admit(context, request.caller, request.key_set, request.card)
    wanted = WantedKeys(request.new_key_set, request.new_key_version)
    target = _target(context, card, wanted)
    is_exposed = target.is_exposed or card.in_channels.is_exposed
    with context.token.operation() as operation:
        deriving = Deriving(context, operation)
        dek = _data_encryption_key(deriving, card, request)
        keys = []
        for role in Role:
            key, exposed = _new_key(deriving, dek, target, role)
            keys.append(key)
            is_exposed = is_exposed or exposed
    des_key_type = target.key_set.put_key_des_type if target.algorithm.family == "DES" else None
    command = put_key.command(request.new_key_version, 0, keys, des_key_type)
    return dogtag_messages.KeySetDataMade(
        key_set_data=command.data,
        key_check_values=[key.check_value for key in keys],
        key_material_in_worker=is_exposed,
    )


def encrypt_challenge(
    context: Context, request: dogtag_messages.EncryptChallenge
) -> dogtag_messages.ChallengeEncrypted:
    """Make a challenge, and encrypt it under the card's static DEK, which it is in SCP02 as well.

    Raises:
        ServiceError: as the policy has it; `session-invalid`, `session-foreign`,
            `session-expired`; `key-missing`.
    """
    card = admit(context, request.caller, request.key_set, request.card)
    require_recent_session(context, card, request.voucher)
    challenge = context.token.random(CHALLENGE_LENGTH)
    with context.token.operation() as operation:
        # One block of AES-CBC with a zero IV, which Dogtag has in SCP03, is one of ECB.
        encrypted = Deriving(context, operation).static_dek(card).encrypt_ecb(challenge)
    return dogtag_messages.ChallengeEncrypted(
        challenge=challenge,
        encrypted=encrypted,
        key_material_in_worker=card.outside_channels.is_exposed,
    )


def _target(context: Context, card: Admitted, wanted: WantedKeys) -> CardIdentity:
    """Return whose keys the card is to get: of a key set of the protocol that it speaks.

    Raises:
        ServiceError: `change-not-allowed`, `key-version-not-yet-active`, `protocol-mismatch`.
    """
    key_set = admission.change_target(context.policy, card.caller, card.key_set, wanted, now())
    if key_set.scp is not card.key_set.scp:
        raise ServiceError(
            Code.PROTOCOL_MISMATCH,
            f"key set {key_set.name} is for SCP{key_set.scp}, and the card speaks "
            f"SCP{card.key_set.scp}",
            pointer="/new_key_set",
        )
    data = admission.static_data(key_set, card.told.kdd, card.told.cuid)
    return CardIdentity(key_set, wanted.version, data)


def _data_encryption_key(
    deriving: Deriving, card: Admitted, request: dogtag_messages.MakeKeySetData
) -> HsmKey:
    """Return what encrypts keys for the card: its static DEK, or in SCP02 that of the session.

    Raises:
        ServiceError: `session-invalid`, `session-foreign`, `session-expired`.
    """
    if card.key_set.scp is not Scp.SCP02:
        require_recent_session(deriving.context, card, request.voucher)
        return deriving.static_dek(card)
    counter = recent_sequence_counter(deriving.context, card, request.voucher)
    expected, _ = wrapped_scp02_key(deriving, card, SessionKey.DEK, counter)
    if request.wrapped_dek is None or not compare_digest(expected, request.wrapped_dek):
        raise ServiceError(
            Code.SESSION_INVALID,
            "the wrapped DEK is not that of the card's last session",
            pointer="/wrapped_dek",
        )
    return scp02_key(deriving, card, SessionKey.DEK, counter)


def _new_key(
    deriving: Deriving, dek: HsmKey, target: CardIdentity, role: Role
) -> tuple[WrappedKey, bool]:
    derive = partial(deriving.static_key, target, role, Use.NEW_CARD_KEY)
    value, exposed = leaving.under_dek(
        dek,
        derive,
        may_be_read=target.key_set.allow_key_material_in_worker,
        setting=f"key_sets.{target.key_set.name}",
    )
    check_value = key_check_value(derive(HsmKey))
    return WrappedKey(target.algorithm.length, value, check_value), exposed
