"""Keys that leave the token wrapped: to a card by PUT KEY, to a caller under a transport key.

The token wraps them itself wherever it can. Where it refuses triple DES, an exception of
the configuration lets `exposed.py` do it; without one the request is refused.
"""

from collections.abc import Callable

from hsm.errors import MechanismUnavailable
from hsm.keys import TokenKey
from hsm.wrapping import wrap_for_transport, wrap_key
from tmsd.errors import Code, ServiceError
from tmsd.worker import exposed
from tmsd.worker.exposed import ReadableKey
from tmsd.worker.hsm_key import DeliverableKey, HsmKey


def under_dek(
    dek: HsmKey, derive: Callable[[type[HsmKey]], HsmKey], *, may_be_read: bool, setting: str
) -> tuple[bytes, bool]:
    """Encrypt a new card key as PUT KEY wants it.

    Args:
        dek: the card's data encryption key.
        derive: derives the new key over base keys of a class.
        may_be_read: whether the exception is allowed.
        setting: where it would be.

    Returns:
        The encrypted key, and whether its value was in this process's memory.

    Raises:
        ServiceError: `mechanism-unavailable`.
    """
    try:
        return dek.wrap_key(derive(HsmKey)), False
    except MechanismUnavailable as error:
        _require_exception(error, dek.key, may_be_read, setting)
    return exposed.under_triple_des(dek.key, derive(ReadableKey).key), True


def under_transport_key(
    wrapping: TokenKey,
    session_keys: Callable[[type[HsmKey]], dict[str, HsmKey]],
    *,
    may_be_read: bool,
    setting: str,
) -> tuple[dict[str, bytes], bool]:
    """Wrap session keys, by name, under a transport key; otherwise as above.

    Raises:
        ServiceError: `mechanism-unavailable`.
    """
    wrap = wrap_for_transport if wrapping.shape.is_aes else wrap_key
    try:
        keys = session_keys(DeliverableKey)
        return {name: wrap(wrapping, key.key) for name, key in keys.items()}, False
    except MechanismUnavailable as error:
        _require_exception(error, wrapping, may_be_read, setting)
    readable = session_keys(ReadableKey)
    return {
        name: exposed.under_triple_des(wrapping, key.key) for name, key in readable.items()
    }, True


def _require_exception(
    error: MechanismUnavailable, wrapping: TokenKey, allowed: bool, setting: str
) -> None:
    if wrapping.shape.is_aes:
        # Triple DES alone is computed outside; AES would come out as the wrong ciphertext.
        raise ServiceError(Code.MECHANISM_UNAVAILABLE, str(error)) from error
    if not allowed:
        raise ServiceError(
            Code.MECHANISM_UNAVAILABLE,
            f"{error}; {setting} would have to say allow_key_material_in_worker = true",
        ) from error
