"""Session keys for TPSs of Dogtag: of cards that proved theirs, and in SCP02, where none does.

Each is answered with a voucher, by which the TPS may ask for more that concerns this card.
"""

from functools import partial

from tmsd.audit.trail import Trail
from tmsd.config.callers import Caller
from tmsd.errors import Code, ServiceError
from tmsd.store.dogtag_vouchers import VouchedCard
from tmsd.tks import dogtag_key_sets
from tmsd.tks.card_failures import UseUp
from tmsd.tks.dogtag_memory import DogtagMemory, Vouchers
from tmsd.tks.dogtag_wanted import Scp02KeyWanted, SessionKeysWanted, TpsCard
from tmsd.tks.service import Tks
from tmsd.tks.sessions import CardQuestion, judged, note_key_material, note_seen
from tmsd.vault.dogtag_messages import (
    DogtagCard,
    MakeScp02Key,
    MakeSessionKeys,
    Scp02KeyMade,
    SessionKeysMade,
)

_OF_FACTORY_KEYS = 0x01


async def make_session_keys(
    tks: Tks, memory: DogtagMemory, caller: Caller, wanted: SessionKeysWanted, trail: Trail
) -> SessionKeysMade:
    """Verify a card's cryptogram in SCP01 or SCP03, and make session keys.

    Raises:
        ServiceError: what the policy, the challenge or the card has against it; or the HSM or
            the store cannot be asked.
    """
    card = wanted.card
    trail.details["scp"] = card.scp.value
    trail.details["server_side_keygen"] = wanted.server_side_keygen
    key_set = dogtag_key_sets.of_card(tks.policy, caller, card, trail)
    ticket = await memory.challenges.ticket(caller.name, wanted.host_challenge)
    trail.details["challenge_issued"] = ticket is not None
    request = MakeSessionKeys(
        caller=caller.name,
        key_set=key_set.name,
        card=told(card),
        i=wanted.i,
        card_challenge=wanted.card_challenge,
        host_challenge=wanted.host_challenge,
        card_cryptogram=wanted.card_cryptogram,
        ticket=ticket,
        server_side_keygen=wanted.server_side_keygen,
    )
    keep = partial(_keeping, memory.vouchers, vouched(caller, key_set.name, card))
    made = await judged(tks, caller, CardQuestion(request, ticket, keep), trail)
    note_seen(tks, key_set, trail)
    note_key_material(trail, made.key_material_in_worker)
    return made


async def make_scp02_key(
    tks: Tks, memory: DogtagMemory, caller: Caller, wanted: Scp02KeyWanted, trail: Trail
) -> Scp02KeyMade:
    """Make a session key of SCP02, where nothing proves the card.

    Raises:
        ServiceError: `delivery-not-allowed`, where the policy does not allow that;
            `protocol-mismatch`, for a key type that no factory keys have; `rate-limited`; or as
            for `make_session_keys`.
    """
    card = wanted.card
    trail.details["scp"] = card.scp.value
    trail.details["unverified"] = True
    trail.details["derivation_constant"] = wanted.derivation_constant.hex()
    trail.details["server_side_keygen"] = wanted.server_side_keygen
    key_set = dogtag_key_sets.of_card(tks.policy, caller, card, trail)
    tps = dogtag_key_sets.settings(caller)
    if not tps.allow_unverified_scp02:
        raise ServiceError(
            Code.DELIVERY_NOT_ALLOWED,
            f"session keys of SCP02, which no card proves, are not open to {caller.name}",
        )
    if key_set.factory and wanted.key_type != _OF_FACTORY_KEYS:
        raise ServiceError(
            Code.PROTOCOL_MISMATCH,
            f"the key type of factory keys is {_OF_FACTORY_KEYS:02x}, not {wanted.key_type:02x}",
            pointer="/KeyInfo",
        )
    memory.unverified.spend(caller.name, card.kdd + card.cuid, tps.unverified_keys_per_minute)
    request = MakeScp02Key(
        caller=caller.name,
        key_set=key_set.name,
        card=told(card),
        sequence_counter=wanted.sequence_counter,
        derivation_constant=wanted.derivation_constant,
        server_side_keygen=wanted.server_side_keygen,
    )
    made = await tks.ask(request, trail)
    await memory.vouchers.keep(vouched(caller, key_set.name, card), made.voucher)
    note_key_material(trail, made.key_material_in_worker)
    return made


def told(card: TpsCard) -> DogtagCard:
    """Return a card as a worker is told of it."""
    return DogtagCard(kdd=card.kdd, cuid=card.cuid, key_version=card.key_version)


def vouched(caller: Caller, key_set: str, card: TpsCard) -> VouchedCard:
    """Return by what a card's voucher is found again."""
    return VouchedCard(caller.name, key_set, card.kdd, card.cuid)


def _keeping(vouchers: Vouchers, card: VouchedCard, made: SessionKeysMade) -> UseUp:
    return vouchers.keeping(card, made.voucher)
