"""What the policy says to a request: which key set, version, protocol and level it may use.

The front asks the same questions to give good answers early; what counts is decided here.
"""

from tmsd.config.callers import Caller
from tmsd.config.key_sets import DiversificationData, KeySet, VersionState
from tmsd.config.policy import Policy
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.channel import SecurityLevel
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse
from tmsd.globalplatform.protocols import LEVELS


def known_caller(policy: Policy, name: str) -> Caller:
    """Return a caller of the policy.

    Raises:
        ServiceError: `caller-unknown`.
    """
    caller = policy.callers.get(name)
    if caller is None:
        raise ServiceError(Code.CALLER_UNKNOWN, f"the policy has no caller {name!r}")
    return caller


def usable_key_set(policy: Policy, caller: Caller, name: str) -> KeySet:
    """Return a key set that the caller may use.

    Raises:
        ServiceError: `key-set-unknown`, whether there is no such set or it is another's.
    """
    key_set = policy.key_sets.get(name)
    if key_set is None or not caller.may_use(name):
        raise ServiceError(
            Code.KEY_SET_UNKNOWN,
            f"{caller.name} may use no key set {name!r}",
            pointer="/card/key_set",
        )
    return key_set


def require_version(key_set: KeySet, version: int) -> None:
    """Refuse a key version that is not active.

    Raises:
        ServiceError: `key-version-unknown`, `key-version-retired`.
    """
    state = key_set.versions.get(version)
    if state is None:
        raise ServiceError(
            Code.KEY_VERSION_UNKNOWN, f"key set {key_set.name} has no version {version}"
        )
    if state is VersionState.RETIRED:
        raise ServiceError(
            Code.KEY_VERSION_RETIRED, f"version {version} of key set {key_set.name} is retired"
        )


def accepted_i(key_set: KeySet, card: InitializeUpdateResponse, claimed: int | None) -> int:
    """Return the implementation "i" to go by: the card's word, the caller's, or the default.

    Raises:
        ServiceError: `protocol-mismatch`.
    """
    if card.scp != int(key_set.scp):
        raise ServiceError(
            Code.PROTOCOL_MISMATCH,
            f"the card speaks SCP{card.scp:02x}; key set {key_set.name} is for SCP{key_set.scp}",
        )
    if None not in (card.i, claimed) and card.i != claimed:
        raise ServiceError(
            Code.PROTOCOL_MISMATCH,
            f"the card says i={card.i:02x}, not {claimed:02x}",
            pointer="/card/scp_i",
        )
    i = card.i if card.i is not None else claimed if claimed is not None else key_set.scp_i[0]
    if i not in key_set.scp_i:
        accepted = ", ".join(f"{value:02x}" for value in key_set.scp_i)
        raise ServiceError(
            Code.PROTOCOL_MISMATCH, f"i={i:02x}; key set {key_set.name} accepts {accepted}"
        )
    return i


def accepted_level(key_set: KeySet, level: int) -> SecurityLevel:
    """Return a security level that is served and not below the key set's least.

    Raises:
        ServiceError: `level-not-supported`.
    """
    served = sorted(value for value in LEVELS if value >= key_set.min_security_level)
    if level not in served:
        raise ServiceError(
            Code.LEVEL_NOT_SUPPORTED,
            f"security level {level:02x}; key set {key_set.name} is served at"
            f" {', '.join(f'{value:02x}' for value in served)}",
            pointer="/security_level",
        )
    return SecurityLevel(level)


def diversification_data(
    key_set: KeySet, card: InitializeUpdateResponse, cuid: bytes | None
) -> bytes:
    """Return the 10 bytes that tell this card from others.

    Raises:
        ServiceError: `request-invalid`, where the key set goes by CUID and none was sent.
    """
    if key_set.diversification_data is DiversificationData.KDD:
        return card.diversification_data
    if cuid is None:
        raise ServiceError(
            Code.REQUEST_INVALID,
            f"key set {key_set.name} goes by the card's CUID, 10 bytes: send it",
            pointer="/card/cuid",
        )
    return cuid
