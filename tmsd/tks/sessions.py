"""Secure channels: opening one with a card, and protecting the commands that follow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import Connection

from tmsd import clock
from tmsd.audit.trail import Trail
from tmsd.config.callers import Caller, Delivery, EncryptPurpose
from tmsd.config.key_sets import DiversificationData, KeySet
from tmsd.errors import Code, ServiceError, faults_at
from tmsd.globalplatform import initialize_update
from tmsd.store.card_failures import CardOfCaller
from tmsd.tks import key_sets
from tmsd.tks.card_failures import UseUp, nothing_to_use_up
from tmsd.tks.service import Tks
from tmsd.vault.card_messages import (
    Card,
    Channel,
    ChannelOpened,
    CommandsWrapped,
    CryptogramVerified,
    DataEncrypted,
    DeliverKeys,
    EncryptData,
    KeysDelivered,
    OpenChannel,
    ResponsesUnwrapped,
    UnwrapResponses,
    VerifyCryptogram,
    WrapCommands,
)
from tmsd.vault.message import Answer, Request

A = TypeVar("A", bound=Answer)

# Refusals that say nothing of a genuine challenge: everything else has used it up.
_CHALLENGE_NOT_SEEN = frozenset(
    {Code.CHALLENGE_NOT_ISSUED, Code.CALLER_UNKNOWN, Code.OVERLOADED, Code.HSM_UNAVAILABLE}
)


@dataclass(frozen=True, slots=True)
class PresentedCard:
    """A card as a caller presents it, and the key set that the caller names, if any."""

    card: Card
    key_set: str | None


@dataclass(frozen=True, slots=True)
class EncryptionWanted:
    """What is to be encrypted for a card, and what for; nothing for a proof of presence."""

    purpose: EncryptPurpose
    data: bytes | None


@dataclass(frozen=True, slots=True)
class SessionWanted:
    """A channel as a caller wants it: with which card, how protected, how delivered."""

    card: PresentedCard
    security_level: int
    delivery: Delivery


def nothing_to_remember(_answer: Answer) -> UseUp:
    """Return what does nothing: the answer is all."""
    return nothing_to_use_up


@dataclass(frozen=True, slots=True)
class CardQuestion(Generic[A]):
    """A request about a card, whose key set and diversification data are on the trail.

    Attributes:
        request: for the worker.
        ticket: of the challenge that the card answered, if it was issued here.
        remember: makes of the answer about a card that proved its keys what is done in the
            transaction that puts that on record.
    """

    request: Request[A]
    ticket: bytes | None
    remember: Callable[[A], UseUp] = nothing_to_remember


async def open_session(
    tks: Tks, caller: Caller, wanted: SessionWanted, trail: Trail
) -> ChannelOpened | KeysDelivered:
    """Verify the card's cryptogram and open a channel with it.

    Raises:
        ServiceError: `delivery-not-allowed`; what the policy, the challenge or the card
            has against it; or the HSM cannot be asked.
    """
    if wanted.delivery not in caller.deliveries:
        raise ServiceError(
            Code.DELIVERY_NOT_ALLOWED,
            f"delivery {wanted.delivery} is not open to {caller.name}",
            pointer="/delivery",
        )
    trail.details["security_level"] = f"{wanted.security_level:02x}"
    trail.details["delivery"] = wanted.delivery.value
    key_set = _key_set_for(tks, caller, wanted.card, trail)
    card = wanted.card.card
    opened: ChannelOpened | KeysDelivered
    if wanted.delivery is Delivery.SEALED:
        sealed = OpenChannel(caller.name, key_set.name, card, wanted.security_level)
        opened = await judged(tks, caller, CardQuestion(sealed, card.ticket), trail)
    else:
        delivered = DeliverKeys(caller.name, key_set.name, card, wanted.security_level)
        opened = await judged(tks, caller, CardQuestion(delivered, card.ticket), trail)
    note_seen(tks, key_set, trail)
    if opened.newest_key_version != opened.key_version:
        trail.details["newest_key_version"] = opened.newest_key_version
    note_key_material(trail, opened.key_material_in_worker)
    return opened


async def verify(
    tks: Tks, caller: Caller, presented: PresentedCard, trail: Trail
) -> CryptogramVerified:
    """Say whether a card holds the keys of its key set, and open nothing.

    Raises:
        ServiceError: as for `open_session`, but a wrong cryptogram is an answer.
    """
    key_set = _key_set_for(tks, caller, presented, trail)
    request = VerifyCryptogram(caller.name, key_set.name, presented.card)
    question = CardQuestion(request, presented.card.ticket)
    verified = await judged(tks, caller, question, trail)
    trail.details["valid"] = verified.valid
    if verified.valid:
        note_seen(tks, key_set, trail)
    note_key_material(trail, verified.key_material_in_worker)
    return verified


async def wrap(
    tks: Tks, caller: Caller, session: bytes, apdus: Sequence[bytes], trail: Trail
) -> CommandsWrapped:
    """Put secure messaging on commands, in order: all of them or none.

    Raises:
        ServiceError: the session or a command cannot be used, or the HSM cannot be asked.
    """
    trail.details["commands"] = len(apdus)
    wrapped = await tks.ask(WrapCommands(caller.name, session, list(apdus)), trail)
    note_channel(trail, wrapped.channel)
    return wrapped


async def unwrap(
    tks: Tks, caller: Caller, session: bytes, responses: Sequence[bytes], trail: Trail
) -> ResponsesUnwrapped:
    """Check R-MACs and remove R-ENC, in order: all of them or none.

    Raises:
        ServiceError: the session cannot be used; a response does not verify, and the
            channel is over; or the HSM cannot be asked.
    """
    trail.details["responses"] = len(responses)
    unwrapped = await tks.ask(UnwrapResponses(caller.name, session, list(responses)), trail)
    note_channel(trail, unwrapped.channel)
    trail.details["closed"] = unwrapped.closed
    return unwrapped


async def encrypt(
    tks: Tks, caller: Caller, session: bytes, wanted: EncryptionWanted, trail: Trail
) -> DataEncrypted:
    """Encrypt under the card's DEK: a challenge that the HSM makes, or the caller's data.

    Raises:
        ServiceError: the session cannot be used, the caller lacks the purpose, the data
            have no whole blocks, or the HSM cannot be asked.
    """
    trail.details["purpose"] = wanted.purpose.value
    request = EncryptData(caller.name, session, wanted.purpose.value, wanted.data)
    encrypted = await tks.ask(request, trail)
    note_channel(trail, encrypted.channel)
    return encrypted


def note_channel(trail: Trail, channel: Channel) -> None:
    """Put on record which card's channel it was, and how its keys were made."""
    trail.key_set = channel.key_set
    trail.key_version = channel.key_version
    trail.diversification_data = channel.diversification_data
    note_key_material(trail, channel.key_material_in_worker)


def note_key_material(trail: Trail, in_worker: bool) -> None:
    """Put on record when keys were in the worker's memory, as an exception allows."""
    if in_worker:
        trail.details["key_material_in_worker"] = True


def note_seen(tks: Tks, key_set: KeySet, trail: Trail) -> None:
    """Remember which version of its keys the card has proved to hold."""
    if trail.diversification_data is not None and trail.key_version is not None:
        tks.cards_seen.note(key_set, trail.diversification_data, trail.key_version)


async def judged(tks: Tks, caller: Caller, question: CardQuestion[A], trail: Trail) -> A:
    """Ask about a card, unless it or its caller failed too often; count what comes of it.

    The challenge is used up before anybody learns what the worker said: of two requests with one
    challenge the second is refused here, whatever its answer was.

    Raises:
        ServiceError: what the card, its challenge or its caller's failures have against it; or
            the HSM or the store cannot be asked.
    """
    ticket = question.ticket
    presented = CardOfCaller(caller.name, trail.key_set or "", trail.diversification_data or b"")
    use_up = nothing_to_use_up if ticket is None else tks.used_challenges.using(ticket)
    async with tks.judging.turn(caller, presented):
        try:
            answer = await tks.ask(question.request, trail)
        except ServiceError as refusal:
            if refusal.code is Code.CARD_CRYPTOGRAM_MISMATCH:
                await _count_failure(tks, caller, presented, use_up, trail)
            elif ticket is not None and refusal.code not in _CHALLENGE_NOT_SEEN:
                await tks.used_challenges.use(ticket)
            raise
        if isinstance(answer, CryptogramVerified) and not answer.valid:
            await _count_failure(tks, caller, presented, use_up, trail)
        else:
            await tks.judging.succeeded(presented, _both(use_up, question.remember(answer)))
    return answer


def _key_set_for(tks: Tks, caller: Caller, presented: PresentedCard, trail: Trail) -> KeySet:
    with faults_at("/card/initialize_update"):
        response = initialize_update.parse(presented.card.initialize_update)
    trail.diversification_data = response.diversification_data
    trail.key_version = response.key_version
    key_set = key_sets.choose(tks.policy, caller, response, presented.key_set)
    trail.key_set = key_set.name
    if key_set.diversification_data is not DiversificationData.KDD:
        trail.diversification_data = presented.card.cuid
    with faults_at("/card/initialize_update"):
        key_set.require_active(response.key_version, clock.now())
    return key_set


def _both(first: UseUp, second: UseUp) -> UseUp:
    def do(connection: Connection) -> None:
        first(connection)
        second(connection)

    return do


async def _count_failure(
    tks: Tks, caller: Caller, card: CardOfCaller, use_up: UseUp, trail: Trail
) -> None:
    callers = await tks.judging.failed(caller, card, use_up, tks.policy.callers)
    if callers > 1:
        trail.details["fails_with_callers"] = callers
