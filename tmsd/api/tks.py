"""The Token Key Service's routes: bodies in, the service's functions, bodies out."""

from tmsd.api import bodies
from tmsd.api.routes import Route
from tmsd.audit.trail import Trail
from tmsd.config.callers import Caller, Role
from tmsd.errors import Code
from tmsd.tks import challenges, key_sets, random, sessions
from tmsd.tks.service import Tks
from tmsd.tks.sessions import PresentedCard, SessionWanted
from tmsd.vault.messages import Card


async def _issue_challenge(
    tks: Tks, caller: Caller, request: bodies.ChallengeRequest, _trail: Trail
) -> bodies.ChallengeAnswer:
    issued = await challenges.issue(tks.vault, caller, request.length)
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
        host_cryptogram=opened.host_cryptogram,
        external_authenticate=opened.external_authenticate,
        session=opened.session,
    )


async def _wrap(
    tks: Tks, caller: Caller, request: bodies.WrapRequest, trail: Trail
) -> bodies.WrapAnswer:
    wrapped = await sessions.wrap(tks, caller, request.session, request.apdus, trail)
    return bodies.WrapAnswer(session=wrapped.session, apdus=wrapped.apdus)


async def _verify(
    tks: Tks, caller: Caller, request: bodies.VerifyRequest, trail: Trail
) -> bodies.VerifyAnswer:
    verified = await sessions.verify(tks, caller, _presented(request.card), trail)
    return bodies.VerifyAnswer(valid=verified.valid)


async def _random(
    tks: Tks, caller: Caller, request: bodies.RandomRequest, trail: Trail
) -> bodies.RandomAnswer:
    return bodies.RandomAnswer(random=await random.make(tks.vault, caller, request.length, trail))


async def _key_sets(tks: Tks, caller: Caller, _request: None, trail: Trail) -> bodies.KeySetsAnswer:
    described = await key_sets.describe(tks, caller, trail)
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
                    for version in versions
                ],
            )
            for key_set, versions in described
        ]
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


_CARD_REFUSALS = (
    Code.INITIALIZE_UPDATE_INVALID,
    Code.CHALLENGE_NOT_ISSUED,
    Code.CHALLENGE_USED,
    Code.KEY_SET_AMBIGUOUS,
    Code.KEY_SET_UNKNOWN,
    Code.KEY_VERSION_UNKNOWN,
    Code.KEY_VERSION_RETIRED,
    Code.KEY_MISSING,
    Code.PROTOCOL_MISMATCH,
    Code.MECHANISM_UNAVAILABLE,
)

ROUTES = (
    Route(
        "POST",
        "/v1/tks/challenges",
        "tks.issue-challenge",
        "Make a host challenge in the HSM; its ticket makes recorded card answers worthless.",
        Role.TPS,
        bodies.ChallengeRequest,
        bodies.ChallengeAnswer,
        _issue_challenge,
    ),
    Route(
        "POST",
        "/v1/tks/sessions",
        "tks.open-session",
        "Verify a card's cryptogram and open a secure channel with it.",
        Role.TPS,
        bodies.SessionRequest,
        bodies.SessionAnswer,
        _open_session,
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
        Role.TPS,
        bodies.WrapRequest,
        bodies.WrapAnswer,
        _wrap,
        (
            Code.SESSION_INVALID,
            Code.SESSION_FOREIGN,
            Code.SESSION_EXPIRED,
            Code.KEY_SET_UNKNOWN,
            Code.KEY_VERSION_UNKNOWN,
            Code.KEY_VERSION_RETIRED,
            Code.KEY_MISSING,
            Code.APDU_INVALID,
            Code.APDU_TOO_LONG,
            Code.COMMAND_NOT_ALLOWED,
            Code.MECHANISM_UNAVAILABLE,
        ),
    ),
    Route(
        "POST",
        "/v1/tks/cryptograms/verify",
        "tks.verify-cryptogram",
        "Say whether a card holds the keys of its key set, and open nothing.",
        Role.TPS,
        bodies.VerifyRequest,
        bodies.VerifyAnswer,
        _verify,
        _CARD_REFUSALS,
    ),
    Route(
        "POST",
        "/v1/tks/random",
        "tks.random",
        "Return bytes of the HSM's random number generator.",
        Role.TPS,
        bodies.RandomRequest,
        bodies.RandomAnswer,
        _random,
    ),
    Route(
        "GET",
        "/v1/tks/key-sets",
        "tks.key-sets",
        "List the key sets and versions that the caller may use, with key check values.",
        Role.TPS,
        None,
        bodies.KeySetsAnswer,
        _key_sets,
    ),
)
