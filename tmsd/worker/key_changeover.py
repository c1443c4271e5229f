"""Bringing a card over to other keys: one function per message, of the same name."""

from functools import partial

from hsm.operation import Operation
from tmsd.clock import now
from tmsd.config.key_sets import DiversificationData
from tmsd.errors import Code, ServiceError, faults_at
from tmsd.globalplatform import put_key as command_of
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Use, key_check_value
from tmsd.globalplatform.put_key import WrappedKey
from tmsd.vault import card_messages
from tmsd.worker import admission, card_keys, leaving
from tmsd.worker.admission import WantedKeys
from tmsd.worker.card_keys import CardIdentity
from tmsd.worker.context import Context
from tmsd.worker.hsm_key import HsmKey
from tmsd.worker.messaging import ResumedChannel, resume
from tmsd.worker.sealed_session import PendingKeys

# The version of keys that a card maker put in; it is never replaced but superseded.
INITIAL_KEY_VERSION = 0xFF
LARGEST_KEY_VERSION = 0x7F


def put_key(context: Context, request: card_messages.PutKey) -> card_messages.PutKeyMade:
    """Make the command that changes a card over along the key set's `change_to`.

    Raises:
        ServiceError: the session is of no use; `change-not-allowed`;
            `key-version-not-yet-active`; `key-missing`; `mechanism-unavailable`;
            `request-invalid` while responses are outstanding.
    """
    channel = resume(context, request.session, request.caller)
    target = _target(context, channel, request)
    state = channel.session.state
    roles = _new_roles(channel, target, request.mode)
    replaced = _replaced_version(channel) if request.mode == "replace" else 0
    with context.token.operation() as operation:
        keys = channel.session_keys(context, operation)
        dek = channel.data_encryption_key(context, operation)
        new_keys, exposed = _new_keys(context, operation, dek, target, roles)
        des_key_type = target.key_set.put_key_des_type if target.algorithm.family == "DES" else None
        command = command_of.command(request.new_key_version, replaced, new_keys, des_key_type)
        state, protected = channel.protocol.wrap(keys, state, command)
    check_values = [key.check_value for key in new_keys]
    pending = PendingKeys(request.new_key_version, b"".join(check_values))
    session = channel.session.after(state).awaiting(pending)
    return card_messages.PutKeyMade(
        channel=channel.sealed(context, session),
        apdu=bytes(protected),
        key_check_values=check_values,
        key_material_in_worker=exposed,
    )


def confirm_put_key(
    context: Context, request: card_messages.ConfirmPutKey
) -> card_messages.PutKeyConfirmed:
    """Check the card's answer: R-MAC where the channel has it, key version, check values.

    Raises:
        ServiceError: the session is of no use, or waits for no keys; `session-closed` for a
            wrong R-MAC; `put-key-unconfirmed`.
    """
    channel = resume(context, request.session, request.caller)
    pending = channel.session.pending
    if pending is None:
        raise ServiceError(
            Code.SESSION_INVALID,
            "no PUT KEY of this session waits for an answer",
            pointer="/session",
        )
    with context.token.operation() as operation:
        keys = channel.session_keys(context, operation)
        with faults_at("/response"):
            state, answer = channel.protocol.unwrap(keys, channel.session.state, request.response)
    if answer.status != b"\x90\x00":
        raise ServiceError(
            Code.PUT_KEY_UNCONFIRMED,
            f"the card answered {answer.status.hex()}; it holds the keys that it had",
            pointer="/response",
        )
    with faults_at("/response"):
        command_of.confirm(answer.data, pending.key_version, pending.check_values)
    session = channel.session.after(state).awaiting(None)
    return card_messages.PutKeyConfirmed(
        channel=channel.sealed(context, session),
        new_key_version=pending.key_version,
        protected=answer.protected,
    )


def _replaced_version(channel: ResumedChannel) -> int:
    """Return P1 of PUT KEY: bit 8 would say that more commands follow, so 1 to 127."""
    version = channel.session.key_version
    if version == INITIAL_KEY_VERSION:
        return 0
    if version > LARGEST_KEY_VERSION:
        raise ServiceError(
            Code.REQUEST_INVALID,
            f"PUT KEY cannot name version {version} to replace it; add the new keys",
            pointer="/mode",
        )
    return version


def _new_roles(channel: ResumedChannel, target: CardIdentity, mode: str) -> tuple[Role, ...]:
    """Return which keys the card gets: those that its i has, unless its protocol changes."""
    present = channel.protocol.card_roles(channel.session.state.i)
    if target.key_set.scp == channel.key_set.scp:
        return present
    if mode == "replace" and len(present) < len(Role):
        raise ServiceError(
            Code.REQUEST_INVALID,
            "the card has one base key, in whose place three keys cannot go; add the new keys",
            pointer="/mode",
        )
    return tuple(Role)


def _target(
    context: Context, channel: ResumedChannel, request: card_messages.PutKey
) -> CardIdentity:
    if channel.session.state.outstanding or channel.session.pending:
        raise ServiceError(
            Code.REQUEST_INVALID,
            "responses are outstanding: unwrap or confirm them before PUT KEY",
            pointer="/session",
        )
    key_set = admission.change_target(
        context.policy,
        channel.caller,
        channel.key_set,
        WantedKeys(request.new_key_set, request.new_key_version),
        now(),
    )
    if key_set.diversification_data is DiversificationData.CUID and not channel.session.cuid:
        raise ServiceError(
            Code.REQUEST_INVALID,
            f"key set {key_set.name} goes by the card's CUID: open the channel with it",
            pointer="/session",
        )
    data = admission.static_data(key_set, channel.session.kdd, channel.session.cuid)
    return CardIdentity(key_set, request.new_key_version, data)


def _new_keys(
    context: Context,
    operation: Operation,
    dek: HsmKey,
    target: CardIdentity,
    roles: tuple[Role, ...],
) -> tuple[list[WrappedKey], bool]:
    """Derive the card's new keys, each encrypted under its present DEK."""
    made = []
    was_readable = target.is_exposed
    for role in roles:
        derive = partial(_new_key, context, operation, target, role)
        value, exposed = leaving.under_dek(
            dek,
            derive,
            may_be_read=target.key_set.allow_key_material_in_worker,
            setting=f"key_sets.{target.key_set.name}",
        )
        was_readable = was_readable or exposed
        made.append(WrappedKey(target.algorithm.length, value, key_check_value(derive(HsmKey))))
    return made, was_readable


def _new_key(
    context: Context, operation: Operation, target: CardIdentity, role: Role, base: type[HsmKey]
) -> HsmKey:
    keys = card_keys.derive(
        context.keyring, partial(base, operation), target, [role], Use.NEW_CARD_KEY
    )
    return keys[role]
