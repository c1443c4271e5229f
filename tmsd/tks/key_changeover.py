"""Key changeover: bringing a card from the keys it holds to keys of another version or set."""

from dataclasses import dataclass
from typing import Literal

from tmsd.audit.trail import Trail
from tmsd.config.callers import Caller
from tmsd.tks.service import Tks
from tmsd.tks.sessions import note_channel, note_key_material
from tmsd.vault.card_messages import ConfirmPutKey, PutKey, PutKeyConfirmed, PutKeyMade


@dataclass(frozen=True, slots=True)
class ChangeWanted:
    """Where a card shall go.

    Attributes:
        new_key_set: None for the key set that the card is in.
        new_key_version: 1 to 127.
        mode: whether the keys that the channel stands on are replaced, or others added.
    """

    new_key_set: str | None
    new_key_version: int
    mode: Literal["add", "replace"]


async def put_key(
    tks: Tks, caller: Caller, session: bytes, wanted: ChangeWanted, trail: Trail
) -> PutKeyMade:
    """Make the command that brings the new keys to the card.

    Raises:
        ServiceError: the session cannot be used; `change-not-allowed`; a key or a mechanism
            is missing; or the HSM cannot be asked.
    """
    trail.details["new_key_version"] = wanted.new_key_version
    if wanted.new_key_set is not None:
        trail.details["new_key_set"] = wanted.new_key_set
    trail.details["mode"] = wanted.mode
    request = PutKey(caller.name, session, wanted.new_key_set, wanted.new_key_version, wanted.mode)
    made = await tks.ask(request, trail)
    note_channel(trail, made.channel)
    note_key_material(trail, made.key_material_in_worker)
    return made


async def confirm(
    tks: Tks, caller: Caller, session: bytes, response: bytes, trail: Trail
) -> PutKeyConfirmed:
    """Check the card's answer to PUT KEY and put the outcome on record.

    Raises:
        ServiceError: the session cannot be used; `put-key-unconfirmed`; or the HSM cannot
            be asked. After a lost answer the next INITIALIZE UPDATE decides.
    """
    confirmed = await tks.ask(ConfirmPutKey(caller.name, session, response), trail)
    note_channel(trail, confirmed.channel)
    trail.details["new_key_version"] = confirmed.new_key_version
    trail.details["protected"] = confirmed.protected
    return confirmed
