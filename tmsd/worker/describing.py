"""What needs no card: random bytes, and the state of key sets; one function per message."""

from hsm.check_values import key_check_value
from hsm.errors import KeyUnsuitable
from tmsd.clock import now
from tmsd.config.key_sets import KeySet
from tmsd.errors import ServiceError
from tmsd.globalplatform.diversification import Role
from tmsd.vault import card_messages
from tmsd.worker import admission
from tmsd.worker.context import Context


def make_random(context: Context, request: card_messages.MakeRandom) -> card_messages.RandomMade:
    """Return random bytes of the token."""
    admission.any_tks_caller(context.policy, request.caller)
    return card_messages.RandomMade(random=context.token.random(request.length))


def describe_key_set(
    context: Context, request: card_messages.DescribeKeySet
) -> card_messages.KeySetDescribed:
    """Return a key set's versions, with check values of the keys that are in the token.

    Raises:
        ServiceError: `key-set-unknown`.
    """
    caller = admission.tks_caller(context.policy, request.caller)
    key_set = admission.usable_key_set(context.policy, caller, request.key_set)
    present = now()
    versions = [
        card_messages.KeyVersion(
            version=number,
            state=version.state(present).value,
            key_check_value=None if version.retired else _check_value(context, key_set, number),
        )
        for number, version in key_set.versions.items()
    ]
    return card_messages.KeySetDescribed(
        versions=versions, newest_key_version=key_set.newest_version(present)
    )


def _check_value(context: Context, key_set: KeySet, version: int) -> bytes | None:
    try:
        return key_check_value(context.keyring.master_key(key_set, version, Role.ENC))
    except (ServiceError, KeyUnsuitable):
        return None
