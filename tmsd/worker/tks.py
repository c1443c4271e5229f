"""The Token Key Service inside the worker: one function per message, of the same name."""

import time
from dataclasses import dataclass

from hsm.check_values import key_check_value
from hsm.errors import KeyUnsuitable
from hsm.token import Token
from tmsd.config.key_sets import KeySet
from tmsd.config.policy import Policy
from tmsd.errors import Code, ServiceError, faults_at
from tmsd.globalplatform import apdu, initialize_update
from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import require_card_cryptogram
from tmsd.globalplatform.protocols import PROTOCOLS
from tmsd.vault import messages
from tmsd.worker import admission, card_keys, sealed_session, tickets
from tmsd.worker.card_keys import CardIdentity
from tmsd.worker.keyring import Keyring
from tmsd.worker.sealed_session import SealedSession
from tmsd.worker.tickets import IssuedChallenge

SESSION_ID_LENGTH = 16
PUT_KEY = 0xD8


@dataclass(frozen=True, slots=True)
class Context:
    """What every function here works with.

    Attributes:
        token: logged in.
        keyring: its keys.
        policy: what is allowed, as this process read it.
        channel_key_version: the version that seals sessions.
        challenge_key_version: the version that MACs tickets.
        session_seconds: how long a channel may live.
        challenge_seconds: how long a ticket may be used.
        started: milliseconds of Unix time.
    """

    token: Token
    keyring: Keyring
    policy: Policy
    channel_key_version: int
    challenge_key_version: int
    session_seconds: int
    challenge_seconds: int
    started: int


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A card that the policy has a key set for, and what its channel depends on."""

    identity: CardIdentity
    scp: int
    i: int
    channel_context: bytes
    card_cryptogram: bytes


def issue_challenge(context: Context, request: messages.IssueChallenge) -> messages.ChallengeIssued:
    """Make a host challenge and its ticket."""
    admission.known_caller(context.policy, request.caller)
    host_challenge = context.token.random(request.length)
    now = now_ms()
    expires = now + context.challenge_seconds * 1000
    challenge = IssuedChallenge(request.caller, host_challenge, now, expires)
    ticket = tickets.make(context.keyring, context.challenge_key_version, challenge)
    return messages.ChallengeIssued(host_challenge=host_challenge, ticket=ticket)


def open_channel(context: Context, request: messages.OpenChannel) -> messages.ChannelOpened:
    """Verify the card's cryptogram, make the host's, and seal the session.

    Raises:
        ServiceError: as the policy, the ticket or the card has it.
    """
    card = _admit(context, request)
    level = admission.accepted_level(card.identity.key_set, request.security_level)
    protocol = PROTOCOLS[card.scp]
    with context.token.operation() as operation:
        static = card_keys.derive(context.keyring, operation, card.identity, protocol.OPENING_ROLES)
        keys = protocol.session_keys(static, card.channel_context)
        expected = protocol.card_cryptogram(keys, card.channel_context)
        require_card_cryptogram(expected, card.card_cryptogram)
        host_cryptogram = protocol.host_cryptogram(keys, card.channel_context)
        state, command = protocol.external_authenticate(keys, host_cryptogram, level)
    now = now_ms()
    session = SealedSession(
        session_id=context.token.random(SESSION_ID_LENGTH),
        caller=request.caller,
        key_set=card.identity.key_set.name,
        key_version=card.identity.key_version,
        scp=card.scp,
        i=card.i,
        diversification_data=card.identity.diversification_data,
        context=card.channel_context,
        state=state,
        issued=now,
        expires=now + context.session_seconds * 1000,
    )
    return messages.ChannelOpened(
        scp=card.scp,
        i=card.i,
        key_set=session.key_set,
        key_version=session.key_version,
        host_cryptogram=host_cryptogram,
        external_authenticate=bytes(command),
        session=sealed_session.seal(context.keyring, context.channel_key_version, session),
    )


def verify_cryptogram(
    context: Context, request: messages.VerifyCryptogram
) -> messages.CryptogramVerified:
    """Say whether the card holds the keys; every other reason to refuse is a refusal.

    Raises:
        ServiceError: as the policy or the ticket has it.
    """
    card = _admit(context, request)
    protocol = PROTOCOLS[card.scp]
    with context.token.operation() as operation:
        static = card_keys.derive(context.keyring, operation, card.identity, protocol.OPENING_ROLES)
        keys = protocol.session_keys(static, card.channel_context)
        expected = protocol.card_cryptogram(keys, card.channel_context)
    try:
        require_card_cryptogram(expected, card.card_cryptogram)
    except ServiceError:
        return messages.CryptogramVerified(valid=False)
    return messages.CryptogramVerified(valid=True)


def wrap_commands(context: Context, request: messages.WrapCommands) -> messages.CommandsWrapped:
    """Put secure messaging on commands; apart from the clock, a pure function of the request.

    Raises:
        ServiceError: the session is of no use, or a command cannot be protected.
    """
    session = sealed_session.unseal(context.keyring, request.session, request.caller, now_ms())
    caller = admission.known_caller(context.policy, request.caller)
    key_set = admission.usable_key_set(context.policy, caller, session.key_set)
    admission.require_version(key_set, session.key_version)
    identity = CardIdentity(key_set, session.key_version, session.diversification_data)
    protocol = PROTOCOLS[session.scp]
    state = session.state
    wrapped = []
    with context.token.operation() as operation:
        roles = protocol.messaging_roles(state.level)
        static = card_keys.derive(context.keyring, operation, identity, roles)
        keys = protocol.session_keys(static, session.context)
        for number, command in enumerate(request.apdus):
            with faults_at(f"/apdus/{number}"):
                state, protected = protocol.wrap(keys, state, _permitted(command))
            wrapped.append(bytes(protected))
    sealed = sealed_session.seal(context.keyring, context.channel_key_version, session.after(state))
    return messages.CommandsWrapped(
        session=sealed,
        apdus=wrapped,
        key_set=session.key_set,
        key_version=session.key_version,
        diversification_data=session.diversification_data,
    )


def make_random(context: Context, request: messages.MakeRandom) -> messages.RandomMade:
    """Return random bytes of the token."""
    admission.known_caller(context.policy, request.caller)
    return messages.RandomMade(random=context.token.random(request.length))


def describe_key_set(
    context: Context, request: messages.DescribeKeySet
) -> messages.KeySetDescribed:
    """Return a key set's versions, with check values of the keys that are in the token.

    Raises:
        ServiceError: `key-set-unknown`.
    """
    caller = admission.known_caller(context.policy, request.caller)
    key_set = admission.usable_key_set(context.policy, caller, request.key_set)
    versions = []
    for version, state in key_set.versions.items():
        try:
            check_value = key_check_value(context.keyring.master_key(key_set, version))
        except (ServiceError, KeyUnsuitable):
            check_value = None
        versions.append(
            messages.KeyVersion(version=version, state=state.value, key_check_value=check_value)
        )
    return messages.KeySetDescribed(versions=versions)


def now_ms() -> int:
    """Return milliseconds of Unix time: what expires does so by the clock on the wall."""
    return time.time_ns() // 1_000_000


def _admit(
    context: Context, request: messages.OpenChannel | messages.VerifyCryptogram
) -> _Admitted:
    caller = admission.known_caller(context.policy, request.caller)
    # The ticket comes first: every later refusal means that its challenge was used.
    issued = _issued_challenge(context, request)
    key_set = admission.usable_key_set(context.policy, caller, request.key_set)
    host_challenge = _host_challenge(key_set, issued, request.card.host_challenge)
    with faults_at("/card/initialize_update"):
        card = initialize_update.parse(request.card.initialize_update)
        admission.require_version(key_set, card.key_version)
        i = admission.accepted_i(key_set, card, request.card.scp_i)
    data = admission.diversification_data(key_set, card, request.card.cuid)
    return _Admitted(
        identity=CardIdentity(key_set, card.key_version, data),
        scp=card.scp,
        i=i,
        channel_context=PROTOCOLS[card.scp].session_context(host_challenge, card),
        card_cryptogram=card.card_cryptogram,
    )


def _issued_challenge(
    context: Context, request: messages.OpenChannel | messages.VerifyCryptogram
) -> bytes | None:
    ticket = request.card.ticket
    if ticket is None:
        return None
    return tickets.verify(context.keyring, ticket, request.caller, now_ms(), context.started)


def _host_challenge(key_set: KeySet, issued: bytes | None, own: bytes | None) -> bytes:
    """Return the challenge that the card answered to; SCP02 and SCP03 take 8 bytes."""
    challenge = issued or own
    if challenge is None or (issued is None and key_set.require_issued_challenge):
        raise ServiceError(
            Code.CHALLENGE_NOT_ISSUED,
            f"key set {key_set.name} takes challenges of POST /v1/tks/challenges alone",
            pointer="/card/challenge",
        )
    if len(challenge) != 8:
        raise ServiceError(
            Code.PROTOCOL_MISMATCH,
            f"the host challenge has {len(challenge)} bytes; the card's protocol takes 8",
            pointer="/card",
        )
    return challenge


def _permitted(command: bytes) -> CommandApdu:
    parsed = apdu.parse(command)
    if parsed.ins == PUT_KEY:
        raise ServiceError(
            Code.COMMAND_NOT_ALLOWED,
            "PUT KEY is not wrapped for callers: no key passes through them",
        )
    return parsed
