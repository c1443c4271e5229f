"""Key sets: which one a card belongs to, and what a caller may know of them."""

from tmsd.audit.trail import Trail
from tmsd.config.callers import Caller
from tmsd.config.key_sets import KeySet
from tmsd.config.policy import Policy
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse
from tmsd.tks.service import Tks
from tmsd.vault.card_messages import DescribeKeySet, KeySetDescribed


def choose(
    policy: Policy, caller: Caller, card: InitializeUpdateResponse, named: str | None
) -> KeySet:
    """Return the key set that was named, or the caller's only one that fits the card.

    Raises:
        ServiceError: `key-set-unknown`, `key-set-ambiguous`.
    """
    usable = policy.key_sets_of(caller)
    if named is not None:
        for key_set in usable:
            if key_set.name == named:
                return key_set
        raise ServiceError(
            Code.KEY_SET_UNKNOWN,
            f"{caller.name} may use no key set {named!r}",
            pointer="/card/key_set",
        )
    fitting = [key_set for key_set in usable if _fits(key_set, card)]
    if len(fitting) != 1:
        names = ", ".join(key_set.name for key_set in fitting) or "none"
        raise ServiceError(
            Code.KEY_SET_AMBIGUOUS,
            f"SCP{card.scp:02x} with key version {card.key_version} fits {names} of your key"
            " sets; name one as key_set",
            pointer="/card/key_set",
        )
    return fitting[0]


async def describe(tks: Tks, caller: Caller, trail: Trail) -> list[tuple[KeySet, KeySetDescribed]]:
    """Return each key set that the caller may use, and its versions with check values.

    Raises:
        ServiceError: the HSM cannot be asked.
    """
    described = []
    for key_set in tks.policy.key_sets_of(caller):
        answer = await tks.ask(DescribeKeySet(caller=caller.name, key_set=key_set.name), trail)
        described.append((key_set, answer))
    trail.details["key_sets"] = len(described)
    return described


def _fits(key_set: KeySet, card: InitializeUpdateResponse) -> bool:
    return (
        int(key_set.scp) == card.scp
        and card.key_version in key_set.versions
        and (card.i is None or card.i in key_set.scp_i)
    )
