"""The Token Key Service's routes: bodies in, the service's functions, bodies out."""

from collections.abc import Awaitable, Callable
from typing import Any

from tmsd.api import bodies
from tmsd.api.bodies import Body
from tmsd.api.routes import Asked, Route, Serve, Services
from tmsd.audit.trail import Trail
from tmsd.config.callers import Caller, Role
from tmsd.errors import Code
from tmsd.tks import challenges, key_changeover, key_sets, random, sessions
from tmsd.tks.key_changeover import ChangeWanted
from tmsd.tks.service import Tks
from tmsd.tks.sessions import EncryptionWanted, PresentedCard, SessionWanted
from tmsd.vault.card_messages import Card, ChannelOpened, DeliveredKeys, KeysDelivered


def _of_tks(serve: Callable[[Tks, Caller, Any, Trail], Awaitable[Body]]) -> Serve:
    """Return what serves a route by a function of the Token Key Service and the body alone."""

    async def served(services: Services, caller: Caller, asked: Asked, trail: Trail) -> Body:
        return await serve(services.tks, caller, asked.body, trail)

    return served


async def _issue_challenge(
    tks: Tks, caller: Caller, request: bodies.ChallengeRequest, trail: Trail
) -> bodies.ChallengeAnswer:
    issued = await challenges.issue(tks, caller, request.length, trail)
    return bodies.ChallengeAnswer(host_challenge=issued.host_challenge, challenge=issued.ticket)


async def _open_session(
    tks: Tks, caller: Caller, request: bodies.SessionRequest, trail: Trail
) -> bodies.SessionAnswer:
    wanted = SessionWanted(
        card=_presented(request.card),
        security_level=request.security_level[0],
        delivery=request.delivery,
    )
    opened = await sessions.open_session(tks, caller, wanted, trail)
    return bodies.SessionAnswer(
        scp=bytes([opened.scp]),
        i=bytes([opened.i]),
        key_set=opened.key_set,
        key_version=opened.key_version,
        newest_key_version=opened.newest_key_version,
        host_cryptogram=opened.host_cryptogram,
        external_authenticate=opened.external_authenticate,
        session=opened.session if isinstance(opened, ChannelOpened) else None,
        keys=_delivered(opened.keys) if isinstance(opened, KeysDelivered) else None,
    )


async def _wrap(
    tks: Tks, caller: Caller, request: bodies.WrapRequest, trail: Trail
) -> bodies.WrapAnswer:
    wrapped = await sessions.wrap(tks, caller, request.session, request.apdus, trail)
    return bodies.WrapAnswer(session=wrapped.channel.session, apdus=wrapped.apdus)


async def _unwrap(
    tks: Tks, caller: Caller, request: bodies.UnwrapRequest, trail: Trail
) -> bodies.UnwrapAnswer:
    unwrapped = await sessions.unwrap(tks, caller, request.session, request.responses, trail)
    return bodies.UnwrapAnswer(
        session=unwrapped.channel.session,
        responses=[
            bodies.UnwrappedBody(response=each.response, protected=each.protected)
            for each in unwrapped.responses
        ],
        closed=unwrapped.closed,
    )


async def _put_key(
    tks: Tks, caller: Caller, request: bodies.PutKeyRequest, trail: Trail
) -> bodies.PutKeyAnswer:
    wanted = ChangeWanted(request.new_key_set, request.new_key_version, request.mode)
    made = await key_changeover.put_key(tks, caller, request.session, wanted, trail)
    return bodies.PutKeyAnswer(
        session=made.channel.session, apdu=made.apdu, key_check_values=made.key_check_values
    )


def _change_intent(request: bodies.PutKeyRequest) -> dict[str, str | int | bool]:
    """Say, for the record, what is about to be tried."""
    intent: dict[str, str | int | bool] = {
        "new_key_version": request.new_key_version,
        "mode": request.mode,
    }
    return intent | ({"new_key_set": request.new_key_set} if request.new_key_set else {})


async def _confirm_put_key(
    tks: Tks, caller: Caller, request: bodies.ConfirmRequest, trail: Trail
) -> bodies.ConfirmAnswer:
    confirmed = await key_changeover.confirm(tks, caller, request.session, request.response, trail)
    return bodies.ConfirmAnswer(
        session=confirmed.channel.session,
        new_key_version=confirmed.new_key_version,
        protected=confirmed.protected,
    )


async def _encrypt(
    tks: Tks, caller: Caller, request: bodies.EncryptRequest, trail: Trail
) -> bodies.EncryptAnswer:
    wanted = EncryptionWanted(request.purpose, request.data)
    encrypted = await sessions.encrypt(tks, caller, request.session, wanted, trail)
    return bodies.EncryptAnswer(
        session=encrypted.channel.session,
        encrypted=encrypted.encrypted,
        challenge=encrypted.challenge,
        ticket=encrypted.ticket,
    )


async def _verify(
    tks: Tks, caller: Caller, request: bodies.VerifyRequest, trail: Trail
) -> bodies.VerifyAnswer:
    verified = await sessions.verify(tks, caller, _presented(request.card), trail)
    return bodies.VerifyAnswer(valid=verified.valid)


async def _random(
    tks: Tks, caller: Caller, request: bodies.RandomRequest, trail: Trail
) -> bodies.RandomAnswer:
    return bodies.RandomAnswer(random=await random.make(tks, caller, request.length, trail))


async def _key_sets(tks: Tks, caller: Caller, _request: None, trail: Trail) -> bodies.KeySetsAnswer:
    found = await key_sets.describe(tks, caller, trail)
    return bodies.KeySetsAnswer(
        key_sets=[
            bodies.KeySetBody(
                name=key_set.name,
                scp=key_set.scp.value,
                algorithm=key_set.algorithm,
                diversification=key_set.diversification,
                versions=[
                    bodies.KeyVersionBody(
                        version=version.version,
                        state=version.state,
                        key_check_value=version.key_check_value,
                    )
                    for version in told.versions
                ],
                newest_key_version=told.newest_key_version,
            )
            for key_set, told in found
        ]
    )


def _delivered(keys: DeliveredKeys) -> bodies.DeliveredKeysBody:
    return bodies.DeliveredKeysBody(
        transport_key=keys.transport_key,
        mechanism=keys.mechanism,
        enc=keys.enc,
        mac=keys.mac,
        rmac=keys.rmac,
        dek=keys.dek,
    )


def _presented(card: bodies.CardBody) -> PresentedCard:
    return PresentedCard(
        card=Card(
            initialize_update=card.initialize_update,
            ticket=card.challenge,
            host_challenge=card.host_challenge,
            scp_i=card.scp_i[0] if card.scp_i else None,
            cuid=card.cuid,
        ),
        key_set=card.key_set,
    )


_CHANNEL_REFUSALS = (
    Code.SESSION_INVALID,
    Code.SESSION_FOREIGN,
    Code.SESSION_EXPIRED,
    Code.SESSION_CLOSED,
    Code.KEY_SET_UNKNOWN,
    Code.KEY_VERSION_UNKNOWN,
    Code.KEY_VERSION_NOT_YET_ACTIVE,
    Code.KEY_VERSION_RETIRED,
    Code.KEY_MISSING,
    Code.MECHANISM_UNAVAILABLE,
)

_CARD_REFUSALS = (
    Code.INITIALIZE_UPDATE_INVALID,
    Code.CHALLENGE_NOT_ISSUED,
    Code.CHALLENGE_USED,
    Code.KEY_SET_AMBIGUOUS,
    Code.KEY_SET_UNKNOWN,
    Code.KEY_VERSION_UNKNOWN,
    Code.KEY_VERSION_NOT_YET_ACTIVE,
    Code.KEY_VERSION_RETIRED,
    Code.KEY_MISSING,
    Code.PROTOCOL_MISMATCH,
    Code.MECHANISM_UNAVAILABLE,
    Code.BACKING_OFF,
    Code.STORE_UNAVAILABLE,
)

ROUTES = (
    Route(
        "POST",
        "/v1/tks/challenges",
        "tks.issue-challenge",
        "Make a host challenge in the HSM; its ticket makes recorded card answers worthless.",
        (Role.TPS,),
        bodies.ChallengeRequest,
        bodies.ChallengeAnswer,
        _of_tks(_issue_challenge),
    ),
    Route(
        "POST",
        "/v1/tks/sessions",
        "tks.open-session",
        "Verify a card's cryptogram and open a secure channel with it.",
        (Role.TPS,),
        bodies.SessionRequest,
        bodies.SessionAnswer,
        _of_tks(_open_session),
        (
            *_CARD_REFUSALS,
            Code.CARD_CRYPTOGRAM_MISMATCH,
            Code.LEVEL_NOT_SUPPORTED,
            Code.DELIVERY_NOT_ALLOWED,
        ),
    ),
    Route(
        "POST",
        "/v1/tks/sessions/wrap",
        "tks.wrap-commands",
        "Put secure messaging on commands, in order: all of them or none.",
        (Role.TPS,),
        bodies.WrapRequest,
        bodies.WrapAnswer,
        _of_tks(_wrap),
        (
            *_CHANNEL_REFUSALS,
            Code.APDU_INVALID,
            Code.APDU_TOO_LONG,
            Code.COMMAND_NOT_ALLOWED,
        ),
    ),
    Route(
        "POST",
        "/v1/tks/sessions/unwrap",
        "tks.unwrap-responses",
        "Check R-MACs and remove R-ENC, in order: all of them or none.",
        (Role.TPS,),
        bodies.UnwrapRequest,
        bodies.UnwrapAnswer,
        _of_tks(_unwrap),
        (*_CHANNEL_REFUSALS, Code.RESPONSE_INVALID),
    ),
    Route(
        "POST",
        "/v1/tks/sessions/put-key",
        "tks.put-key",
        "Make the command that changes a card over to other keys, along the policy's change_to.",
        (Role.TPS,),
        bodies.PutKeyRequest,
        bodies.PutKeyAnswer,
        _of_tks(_put_key),
        (*_CHANNEL_REFUSALS, Code.CHANGE_NOT_ALLOWED, Code.APDU_TOO_LONG),
        intent=_change_intent,
    ),
    Route(
        "POST",
        "/v1/tks/sessions/put-key/confirm",
        "tks.confirm-put-key",
        "Check the card's answer to PUT KEY, and put the outcome on record.",
        (Role.TPS,),
        bodies.ConfirmRequest,
        bodies.ConfirmAnswer,
        _of_tks(_confirm_put_key),
        (*_CHANNEL_REFUSALS, Code.RESPONSE_INVALID, Code.PUT_KEY_UNCONFIRMED),
    ),
    Route(
        "POST",
        "/v1/tks/sessions/encrypt",
        "tks.encrypt-data",
        "Encrypt under the card's DEK: a challenge made by the HSM, a PIN, an object.",
        (Role.TPS,),
        bodies.EncryptRequest,
        bodies.EncryptAnswer,
        _of_tks(_encrypt),
        (*_CHANNEL_REFUSALS, Code.PURPOSE_NOT_ALLOWED),
    ),
    Route(
        "POST",
        "/v1/tks/cryptograms/verify",
        "tks.verify-cryptogram",
        "Say whether a card holds the keys of its key set, and open nothing.",
        (Role.TPS,),
        bodies.VerifyRequest,
        bodies.VerifyAnswer,
        _of_tks(_verify),
        _CARD_REFUSALS,
    ),
    Route(
        "POST",
        "/v1/tks/random",
        "tks.random",
        "Return bytes of the HSM's random number generator.",
        (Role.TPS,),
        bodies.RandomRequest,
        bodies.RandomAnswer,
        _of_tks(_random),
    ),
    Route(
        "GET",
        "/v1/tks/key-sets",
        "tks.key-sets",
        "List the key sets and versions that the caller may use, with key check values.",
        (Role.TPS,),
        None,
        bodies.KeySetsAnswer,
        _of_tks(_key_sets),
    ),
)
