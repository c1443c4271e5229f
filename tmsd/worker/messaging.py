"""Commands and responses of open channels: one function per message, of the same name.

Apart from the clock, each is a pure function of its request.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from hsm.operation import Operation
from tmsd.clock import now, now_ms
from tmsd.config.callers import Caller
from tmsd.config.key_sets import DiversificationData, KeySet
from tmsd.errors import Code, ServiceError, faults_at
from tmsd.globalplatform import apdu
from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import Response, require_open
from tmsd.globalplatform.keys import Key, Use
from tmsd.globalplatform.protocols import PROTOCOLS, SecureChannelProtocol
from tmsd.globalplatform.put_key import PUT_KEY
from tmsd.vault import card_messages
from tmsd.vault.message import NamedCard
from tmsd.worker import admission, card_challenges, card_keys, sealed_session
from tmsd.worker.card_challenges import CardChallenge
from tmsd.worker.card_keys import CardIdentity
from tmsd.worker.context import Context
from tmsd.worker.hsm_key import HsmKey
from tmsd.worker.sealed_session import SealedSession

STORE_DATA = 0xE2
# P1 of STORE DATA (Card Specification 2.3.1, table 11-89): encrypted data, and data groups in
# DGI format, are how keys travel by it.
_ENCRYPTED = 0x60
_STRUCTURE = 0x18
_DGI = 0x08
PROOF_LENGTH = 16
_PROOFS = frozenset({"proof-of-presence", "proof-of-possession"})


@dataclass(frozen=True, slots=True)
class ResumedChannel:
    """A sealed session that was verified and is still allowed."""

    session: SealedSession
    caller: Caller
    key_set: KeySet
    identity: CardIdentity

    @property
    def protocol(self) -> SecureChannelProtocol[Any]:
        """The protocol that the card speaks."""
        return PROTOCOLS[self.session.scp]

    def session_keys(self, context: Context, operation: Operation) -> Any:  # noqa: ANN401  the protocol's own type
        """Derive the session keys again."""
        state = self.session.state
        roles = self.protocol.messaging_roles(state.i, state.level)
        static = card_keys.derive(context.keyring, partial(HsmKey, operation), self.identity, roles)
        return self.protocol.session_keys(static, self.session.context, state.i, state.level)

    def data_encryption_key(self, context: Context, operation: Operation) -> HsmKey:
        """Derive the card's DEK again."""
        role = self.protocol.dek_role(self.session.state.i)
        use = Use.DEK if self.protocol.DEK_IS_STATIC else Use.CARD_KEY
        static = card_keys.derive(
            context.keyring, partial(HsmKey, operation), self.identity, [role], use
        )
        dek: HsmKey = self.protocol.data_encryption_key(static[role], self.session.context)
        return dek

    def sealed(self, context: Context, session: SealedSession) -> card_messages.Channel:
        """Return the session after a step, for the caller and for the record."""
        return card_messages.Channel(
            session=sealed_session.seal(context.keyring, context.channel_key_version, session),
            key_set=self.session.key_set,
            key_version=self.session.key_version,
            diversification_data=self.identity.diversification_data,
            key_material_in_worker=self.identity.is_exposed,
        )


def resume(context: Context, sealed: bytes, caller_name: str) -> ResumedChannel:
    """Verify a session, and ask the policy again.

    Raises:
        ServiceError: the session is of no use or closed, or what it stands on is no longer
            allowed.
    """
    session = sealed_session.unseal(context.keyring, sealed, caller_name, now_ms())
    caller = admission.tks_caller(context.policy, caller_name)
    with faults_at("/session"):
        require_open(session.state)
        key_set = admission.usable_key_set(context.policy, caller, session.key_set)
        key_set.require_active(session.key_version, now())
        admission.require_channel(key_set, session.scp, session.state)
        data = admission.diversification_data(key_set, session.kdd, session.cuid)
    return ResumedChannel(
        session, caller, key_set, CardIdentity(key_set, session.key_version, data)
    )


def card_of(context: Context, sealed: bytes, caller_name: str) -> NamedCard | None:
    """Say for the record whose session it is; None unless it is genuine and can be used."""
    try:
        session = sealed_session.unseal(context.keyring, sealed, caller_name, now_ms())
    except ServiceError:
        return None
    key_set = context.policy.key_sets.get(session.key_set)
    by_cuid = key_set and key_set.diversification_data is not DiversificationData.KDD
    return NamedCard(
        key_set=session.key_set,
        key_version=session.key_version,
        diversification_data=session.cuid if by_cuid and session.cuid else session.kdd,
    )


def wrap_commands(
    context: Context, request: card_messages.WrapCommands
) -> card_messages.CommandsWrapped:
    """Put secure messaging on commands, in order: all of them or none.

    Raises:
        ServiceError: the session is of no use, or a command cannot be protected.
    """
    channel = resume(context, request.session, request.caller)
    state = channel.session.state
    wrapped = []
    with context.token.operation() as operation:
        keys = channel.session_keys(context, operation)
        for number, command in enumerate(request.apdus):
            with faults_at(f"/apdus/{number}"):
                permitted = _permitted(channel.caller, command)
                state, protected = channel.protocol.wrap(keys, state, permitted)
            wrapped.append(bytes(protected))
    return card_messages.CommandsWrapped(
        channel=channel.sealed(context, channel.session.after(state)), apdus=wrapped
    )


def unwrap_responses(
    context: Context, request: card_messages.UnwrapResponses
) -> card_messages.ResponsesUnwrapped:
    """Check R-MACs and remove R-ENC, in order: all of them or none.

    Raises:
        ServiceError: the session is of no use; `request-invalid` while PUT KEY waits for
            its own confirmation; `session-closed` for a response that does not verify.
    """
    channel = resume(context, request.session, request.caller)
    if channel.session.pending is not None:
        raise ServiceError(
            Code.REQUEST_INVALID,
            "the next response is that to PUT KEY: confirm it, which puts it on record",
            pointer="/session",
        )
    state = channel.session.state
    unwrapped = []
    with context.token.operation() as operation:
        keys = channel.session_keys(context, operation)
        for number, response in enumerate(request.responses):
            with faults_at(f"/responses/{number}"):
                state, plain = channel.protocol.unwrap(keys, state, response)
            unwrapped.append(_told(plain))
    return card_messages.ResponsesUnwrapped(
        channel=channel.sealed(context, channel.session.after(state)),
        responses=unwrapped,
        closed=state.closed,
    )


def encrypt_data(
    context: Context, request: card_messages.EncryptData
) -> card_messages.DataEncrypted:
    """Encrypt under the card's DEK: a challenge made here, or the caller's data.

    Raises:
        ServiceError: the session is of no use; `purpose-not-allowed`; `request-invalid`.
    """
    channel = resume(context, request.session, request.caller)
    if request.purpose not in channel.caller.encrypt_purposes:
        raise ServiceError(
            Code.PURPOSE_NOT_ALLOWED,
            f"{channel.caller.name} may not encrypt for {request.purpose}",
            pointer="/purpose",
        )
    _require_bound_commands(channel)
    proves = request.purpose in _PROOFS
    if channel.protocol.DEK_IS_STATIC and channel.key_set.undiversified and not proves:
        raise ServiceError(
            Code.PURPOSE_NOT_ALLOWED,
            f"the cards of {channel.key_set.name} share one key for everything, which would be"
            " used on data of the caller's choice",
            pointer="/purpose",
        )
    if proves == (request.data is not None):
        raise ServiceError(
            Code.REQUEST_INVALID,
            "a proof encrypts bytes made here, every other purpose encrypts data",
            pointer="/data",
        )
    ticket = None
    if request.purpose == "proof-of-possession":
        data, ticket = _secret_challenge(context, channel)
    else:
        data = request.data if request.data is not None else context.token.random(PROOF_LENGTH)
    with context.token.operation() as operation:
        dek = channel.data_encryption_key(context, operation)
        encrypted = _under_dek(dek, data)
    return card_messages.DataEncrypted(
        channel=channel.sealed(context, channel.session),
        encrypted=encrypted,
        challenge=data if request.purpose == "proof-of-presence" else None,
        ticket=ticket,
    )


def _secret_challenge(context: Context, channel: ResumedChannel) -> tuple[bytes, bytes]:
    """Return 16 bytes that the card alone shall learn, and the ticket that tells them again.

    Raises:
        ServiceError: `purpose-not-allowed`, where others than the card have its keys.
    """
    session, key_set = channel.session, channel.key_set
    if key_set.undiversified or key_set.factory:
        raise ServiceError(
            Code.PURPOSE_NOT_ALLOWED,
            f"the keys of {key_set.name} are not one card's alone: change it over to others first",
            pointer="/purpose",
        )
    challenge = CardChallenge(
        caller=session.caller,
        key_set=session.key_set,
        key_version=session.key_version,
        diversification_data=channel.identity.diversification_data,
        nonce=context.token.random(card_challenges.NONCE_LENGTH),
        issued=now_ms(),
        expires=session.expires,
    )
    return card_challenges.make(context.keyring, context.challenge_key_version, challenge)


def _require_bound_commands(channel: ResumedChannel) -> None:
    """Refuse to encrypt under the DEK where the caller could forge PUT KEY with the result."""
    i = channel.session.state.i
    if not channel.protocol.encrypts_icv(i) and not channel.key_set.icv_in_clear:
        raise ServiceError(
            Code.PURPOSE_NOT_ALLOWED,
            f"with i={i:02x} a caller can forge any command, and PUT KEY with what is encrypted"
            f" here; key_sets.{channel.key_set.name} would have to say icv_in_clear = true",
            pointer="/purpose",
        )


def _under_dek(dek: Key, data: bytes) -> bytes:
    """Encrypt sensitive data (Card Specification 2.3.1, E.4.7; Amendment D, 6.2.8)."""
    if len(data) % dek.algorithm.block:
        raise ServiceError(
            Code.REQUEST_INVALID,
            f"data under this card's DEK come in blocks of {dek.algorithm.block} bytes",
            pointer="/data",
        )
    if dek.algorithm.family == "DES":
        return dek.encrypt_ecb(data)
    return dek.encrypt_cbc(data, bytes(16))


def _permitted(caller: Caller, command: bytes) -> CommandApdu:
    parsed = apdu.parse(command)
    carries_keys = parsed.ins == STORE_DATA and (
        parsed.p1 & _ENCRYPTED or parsed.p1 & _STRUCTURE == _DGI
    )
    if parsed.ins == PUT_KEY or carries_keys:
        raise ServiceError(
            Code.COMMAND_NOT_ALLOWED,
            "keys for a card pass through no caller: only put-key makes such a command",
        )
    if not caller.may_send(parsed.ins):
        raise ServiceError(
            Code.COMMAND_NOT_ALLOWED, f"{caller.name} may not send INS {parsed.ins:02x}"
        )
    return parsed


def _told(plain: Response) -> card_messages.UnwrappedResponse:
    return card_messages.UnwrappedResponse(response=bytes(plain), protected=plain.protected)
