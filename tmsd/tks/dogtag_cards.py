"""What a TPS of Dogtag asks of a card that had session keys: its new keys, encrypted challenges."""

from tmsd.audit.trail import Trail
from tmsd.config.callers import Caller
from tmsd.config.key_sets import KeySet
from tmsd.tks import dogtag_key_sets
from tmsd.tks.dogtag_memory import DogtagMemory
from tmsd.tks.dogtag_sessions import told, vouched
from tmsd.tks.dogtag_wanted import ChallengeWanted, KeySetDataWanted, TpsCard
from tmsd.tks.service import Tks
from tmsd.tks.sessions import note_key_material
from tmsd.vault.dogtag_messages import (
    ChallengeEncrypted,
    EncryptChallenge,
    KeySetDataMade,
    MakeKeySetData,
)


async def make_key_set_data(
    tks: Tks, memory: DogtagMemory, caller: Caller, wanted: KeySetDataWanted, trail: Trail
) -> KeySetDataMade:
    """Encrypt a card's new keys under its DEK, as the TPS brings them to it by PUT KEY.

    Raises:
        ServiceError: the card had no session keys lately; what the policy has against it; or the
            HSM or the store cannot be asked.
    """
    card = wanted.card
    trail.details["scp"] = card.scp.value
    trail.details["new_key_version"] = wanted.new_key_version
    key_set = dogtag_key_sets.of_card(tks.policy, caller, card, trail)
    new = dogtag_key_sets.with_version(
        tks.policy, caller, wanted.new_key_set, card.scp, wanted.new_key_version
    )
    trail.details["new_key_set"] = new.name
    request = MakeKeySetData(
        caller=caller.name,
        key_set=key_set.name,
        card=told(card),
        new_key_set=new.name,
        new_key_version=wanted.new_key_version,
        voucher=await _voucher(memory, caller, key_set, card),
        wrapped_dek=wanted.wrapped_dek,
    )
    made = await tks.ask(request, trail)
    note_key_material(trail, made.key_material_in_worker)
    return made


async def encrypt_challenge(
    tks: Tks, memory: DogtagMemory, caller: Caller, wanted: ChallengeWanted, trail: Trail
) -> ChallengeEncrypted:
    """Have the HSM make a challenge, and encrypt it under the card's static DEK.

    Raises:
        ServiceError: as for `make_key_set_data`.
    """
    card = wanted.card
    trail.details["scp"] = card.scp.value
    key_set = dogtag_key_sets.of_card(tks.policy, caller, card, trail)
    request = EncryptChallenge(
        caller=caller.name,
        key_set=key_set.name,
        card=told(card),
        voucher=await _voucher(memory, caller, key_set, card),
    )
    encrypted = await tks.ask(request, trail)
    note_key_material(trail, encrypted.key_material_in_worker)
    return encrypted


async def _voucher(
    memory: DogtagMemory, caller: Caller, key_set: KeySet, card: TpsCard
) -> bytes | None:
    return await memory.vouchers.of(vouched(caller, key_set.name, card))
