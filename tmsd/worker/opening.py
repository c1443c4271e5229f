"""Opening channels: one function per message, of the same name.

A card is admitted by the policy, proves its keys, and the caller gets a sealed session, or
the session keys under its transport key, or only the word that the card is genuine.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from hsm.operation import Operation
from tmsd.clock import now, now_ms
from tmsd.config.callers import Caller, Delivery
from tmsd.config.key_sets import KeySet
from tmsd.config.transport_keys import TransportKey
from tmsd.errors import Code, ServiceError, faults_at
from tmsd.globalplatform import initialize_update
from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import ChannelState, SecurityLevel, require_card_cryptogram
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse
from tmsd.globalplatform.keys import Use
from tmsd.globalplatform.protocols import PROTOCOLS, SecureChannelProtocol
from tmsd.vault import card_messages
from tmsd.worker import admission, card_keys, leaving, sealed_session, tickets
from tmsd.worker.card_keys import CardIdentity
from tmsd.worker.context import Context
from tmsd.worker.hsm_key import HsmKey
from tmsd.worker.sealed_session import SealedSession
from tmsd.worker.tickets import IssuedChallenge

SESSION_ID_LENGTH = 16

_CardRequest = (
    card_messages.OpenChannel | card_messages.DeliverKeys | card_messages.VerifyCryptogram
)


@dataclass(frozen=True, slots=True)
class _Admitted:
    """A card that the policy has a key set for, and what its channel depends on."""

    caller: Caller
    identity: CardIdentity
    answer: InitializeUpdateResponse
    newest_key_version: int
    cuid: bytes
    i: int
    channel_context: bytes

    @property
    def protocol(self) -> SecureChannelProtocol[Any]:
        """The protocol that the card speaks."""
        return PROTOCOLS[self.answer.scp]


@dataclass(frozen=True, slots=True)
class _Authentication:
    """What the host answers to a card that has proved its keys, and the channel that it opens."""

    host_cryptogram: bytes
    command: CommandApdu
    state: ChannelState


def issue_challenge(
    context: Context, request: card_messages.IssueChallenge
) -> card_messages.ChallengeIssued:
    """Make a host challenge and its ticket."""
    admission.any_tks_caller(context.policy, request.caller)
    host_challenge = context.token.random(request.length)
    now = now_ms()
    expires = now + context.challenge_seconds * 1000
    challenge = IssuedChallenge(request.caller, host_challenge, now, expires)
    ticket = tickets.make(context.keyring, context.challenge_key_version, challenge)
    return card_messages.ChallengeIssued(host_challenge=host_challenge, ticket=ticket)


def open_channel(
    context: Context, request: card_messages.OpenChannel
) -> card_messages.ChannelOpened:
    """Verify the card's cryptogram, make the host's, and seal the session.

    Raises:
        ServiceError: as the policy, the ticket or the card has it.
    """
    card = _admit(context, request)
    admission.require_delivery(card.caller, Delivery.SEALED)
    level = admission.accepted_level(card.identity.key_set, card.i, request.security_level)
    with context.token.operation() as operation:
        authentication = _authenticate(context, operation, card, level)
    now = now_ms()
    session = SealedSession(
        session_id=context.token.random(SESSION_ID_LENGTH),
        caller=request.caller,
        key_set=card.identity.key_set.name,
        key_version=card.identity.key_version,
        scp=card.answer.scp,
        kdd=card.answer.diversification_data,
        cuid=card.cuid,
        context=card.channel_context,
        state=authentication.state,
        issued=now,
        expires=now + context.session_seconds * 1000,
    )
    return card_messages.ChannelOpened(
        scp=session.scp,
        i=card.i,
        key_set=session.key_set,
        key_version=session.key_version,
        newest_key_version=card.newest_key_version,
        host_cryptogram=authentication.host_cryptogram,
        external_authenticate=bytes(authentication.command),
        session=sealed_session.seal(context.keyring, context.channel_key_version, session),
        key_material_in_worker=card.identity.is_exposed,
    )


def deliver_keys(
    context: Context, request: card_messages.DeliverKeys
) -> card_messages.KeysDelivered:
    """Verify the card's cryptogram, and wrap the session keys for a caller that may have them.

    Raises:
        ServiceError: `delivery-not-allowed`; as the policy, the ticket or the card has it;
            `mechanism-unavailable`.
    """
    card = _admit(context, request)
    transport = _transport_key(context, card.caller)
    level = admission.accepted_level(card.identity.key_set, card.i, request.security_level)
    with context.token.operation() as operation:
        authentication = _authenticate(context, operation, card, level)
        delivered, was_readable = _delivered_keys(context, operation, card, level, transport)
    return card_messages.KeysDelivered(
        scp=card.answer.scp,
        i=card.i,
        key_set=card.identity.key_set.name,
        key_version=card.identity.key_version,
        newest_key_version=card.newest_key_version,
        host_cryptogram=authentication.host_cryptogram,
        external_authenticate=bytes(authentication.command),
        keys=delivered,
        key_material_in_worker=card.identity.is_exposed or was_readable,
    )


def verify_cryptogram(
    context: Context, request: card_messages.VerifyCryptogram
) -> card_messages.CryptogramVerified:
    """Say whether the card holds the keys; every other reason to refuse is a refusal.

    Raises:
        ServiceError: as the policy or the ticket has it.
    """
    card = _admit(context, request)
    with context.token.operation() as operation:
        keys = _opening_keys(context, operation, card)
        expected = card.protocol.card_cryptogram(keys, card.channel_context)
    try:
        require_card_cryptogram(expected, card.answer.card_cryptogram)
    except ServiceError:
        valid = False
    else:
        valid = True
    return card_messages.CryptogramVerified(
        valid=valid, key_material_in_worker=card.identity.is_exposed
    )


def _authenticate(
    context: Context, operation: Operation, card: _Admitted, level: SecurityLevel
) -> _Authentication:
    """Verify the card's cryptogram, and make what proves the host to the card.

    Raises:
        ServiceError: `card-cryptogram-mismatch`.
    """
    keys = _opening_keys(context, operation, card)
    expected = card.protocol.card_cryptogram(keys, card.channel_context)
    require_card_cryptogram(expected, card.answer.card_cryptogram)
    host_cryptogram = card.protocol.host_cryptogram(keys, card.channel_context)
    state, command = card.protocol.external_authenticate(keys, host_cryptogram, card.i, level)
    return _Authentication(host_cryptogram, command, state)


def _opening_keys(context: Context, operation: Operation, card: _Admitted) -> Any:  # noqa: ANN401  the protocol's own type
    roles = card.protocol.opening_roles(card.i)
    static = card_keys.derive(context.keyring, partial(HsmKey, operation), card.identity, roles)
    return card.protocol.session_keys(static, card.channel_context, card.i, SecurityLevel.C_MAC)


def _admit(context: Context, request: _CardRequest) -> _Admitted:
    caller = admission.tks_caller(context.policy, request.caller)
    # The ticket comes first: every later refusal means that its challenge was used.
    issued = _issued_challenge(context, request)
    with faults_at("/card/key_set"):
        key_set = admission.usable_key_set(context.policy, caller, request.key_set)
    with faults_at("/card/initialize_update"):
        answer = initialize_update.parse(request.card.initialize_update)
        present = now()
        key_set.require_active(answer.key_version, present)
        i = admission.accepted_i(key_set, answer, request.card.scp_i)
    protocol = PROTOCOLS[answer.scp]
    host_challenge = _host_challenge(
        key_set, issued, request.card.host_challenge, protocol.challenge_length(i)
    )
    cuid = request.card.cuid or b""
    data = admission.diversification_data(key_set, answer.diversification_data, cuid)
    return _Admitted(
        caller=caller,
        identity=CardIdentity(key_set, answer.key_version, data),
        answer=answer,
        newest_key_version=key_set.newest_version(present) or answer.key_version,
        cuid=cuid,
        i=i,
        channel_context=protocol.session_context(host_challenge, answer),
    )


def _issued_challenge(context: Context, request: _CardRequest) -> bytes | None:
    ticket = request.card.ticket
    if ticket is None:
        return None
    return tickets.verify(context.keyring, ticket, request.caller, now_ms())


def _host_challenge(key_set: KeySet, issued: bytes | None, own: bytes | None, length: int) -> bytes:
    """Return the challenge that the card answered to."""
    challenge = issued or own
    if challenge is None or (issued is None and key_set.require_issued_challenge):
        raise ServiceError(
            Code.CHALLENGE_NOT_ISSUED,
            f"key set {key_set.name} takes challenges of POST /v1/tks/challenges alone",
            pointer="/card/challenge",
        )
    if len(challenge) != length:
        raise ServiceError(
            Code.PROTOCOL_MISMATCH,
            f"the host challenge has {len(challenge)} bytes; the card's protocol takes {length}",
            pointer="/card",
        )
    return challenge


def _transport_key(context: Context, caller: Caller) -> TransportKey:
    admission.require_delivery(caller, Delivery.TRANSPORT)
    return context.policy.transport_keys[str(caller.transport_key)]


def _delivered_keys(
    context: Context,
    operation: Operation,
    card: _Admitted,
    level: SecurityLevel,
    transport: TransportKey,
) -> tuple[card_messages.DeliveredKeys, bool]:
    """Return the wrapped keys, and whether one was readable on its way."""
    wrapping = context.keyring.transport_key(transport)
    delivers_static_dek = (
        card.protocol.DEK_IS_STATIC
        and card.caller.deliver_static_dek
        and not card.identity.key_set.undiversified
    )
    roles = card.protocol.messaging_roles(card.i, level)
    static = card_keys.derive(context.keyring, partial(HsmKey, operation), card.identity, roles)

    def session_keys(base: type[HsmKey]) -> dict[str, HsmKey]:
        over = {role: base(operation, key.key) for role, key in static.items()}
        keys = card.protocol.session_keys(over, card.channel_context, card.i, level)
        return card.protocol.deliverable_keys(keys) | _delivered_dek(context, operation, card, base)

    # A static DEK becomes readable only where its own key set says so, too.
    key_set = card.identity.key_set
    setting = f"transport_keys.{transport.name}"
    may_be_read = transport.allow_key_material_in_worker
    if may_be_read and delivers_static_dek:
        setting = f"key_sets.{key_set.name}"
        may_be_read = key_set.allow_key_material_in_worker
    wrapped, exposed = leaving.under_transport_key(
        wrapping, session_keys, may_be_read=may_be_read, setting=setting
    )
    delivered = card_messages.DeliveredKeys(
        transport_key=transport.name,
        mechanism="aes-key-wrap" if wrapping.shape.is_aes else "des3-ecb",
        enc=wrapped.get("enc"),
        mac=wrapped["mac"],
        rmac=wrapped.get("rmac"),
        dek=wrapped.get("dek"),
    )
    return delivered, exposed


def _delivered_dek(
    context: Context, operation: Operation, card: _Admitted, base: type[HsmKey]
) -> dict[str, HsmKey]:
    """Return the DEK, to callers that may have it: whoever has it reads what PUT KEY brings.

    SCP02's is of the session; a static one is never delivered where all cards share it.
    """
    if not card.caller.deliver_static_dek:
        return {}
    role = card.protocol.dek_role(card.i)
    if not card.protocol.DEK_IS_STATIC:
        inside = partial(HsmKey, operation)
        static = card_keys.derive(context.keyring, inside, card.identity, [role])
        over = base(operation, static[role].key)
        return {"dek": card.protocol.data_encryption_key(over, card.channel_context)}
    if card.identity.key_set.undiversified:
        return {}
    leaves = partial(base, operation)
    static = card_keys.derive(context.keyring, leaves, card.identity, [role], Use.DEK)
    return {"dek": static[role]}
