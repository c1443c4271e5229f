"""Keys that leave the token wrapped: to a card by PUT KEY, to a caller under a transport key.

The token wraps them itself wherever it can. Where it refuses triple DES, or OAEP for a DRM, an
exception of the configuration lets `exposed.py` do it; without one the request is refused.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from hsm.errors import KeyNotExtractable, MechanismUnavailable
from hsm.handing_over import OaepHash, wrap_to
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
        ServiceError: `mechanism-unavailable`; `key-missing`, for a key that cannot leave.
    """
    with _kept_inside():
        try:
            return dek.wrap_key(derive(HsmKey)), False
        except MechanismUnavailable as error:
            _require_exception(error, dek.key, may_be_read, setting)
        return exposed.under_triple_des(dek.key, derive(ReadableKey)), True


def under_transport_key(
    wrapping: TokenKey,
    session_keys: Callable[[type[HsmKey]], dict[str, HsmKey]],
    *,
    may_be_read: bool,
    setting: str,
    as_dogtag: bool = False,
) -> tuple[dict[str, bytes], bool]:
    """Wrap session keys, by name, under a transport key; otherwise as above.

    Args:
        wrapping: the transport key.
        session_keys: derives them over base keys of a class.
        may_be_read: whether the exception is allowed.
        setting: where it would be.
        as_dogtag: whether AES wraps as for PUT KEY, and not by RFC 3394.

    Raises:
        ServiceError: `mechanism-unavailable`; `key-missing`, for a key that cannot leave.
    """
    wrap = wrap_for_transport if wrapping.shape.is_aes and not as_dogtag else wrap_key
    with _kept_inside():
        try:
            keys = session_keys(DeliverableKey)
            return {name: wrap(wrapping, key.key) for name, key in keys.items()}, False
        except MechanismUnavailable as error:
            _require_exception(error, wrapping, may_be_read, setting)
        readable = session_keys(ReadableKey)
        return {
            name: exposed.under_triple_des(wrapping, key) for name, key in readable.items()
        }, True


def to_recipient(
    recipient: RSAPublicKey,
    derive: Callable[[type[HsmKey]], HsmKey],
    oaep: OaepHash | None,
    *,
    may_be_read: bool,
    setting: str,
) -> tuple[bytes, bool]:
    """Encrypt a key for who has an RSA key, by PKCS #1 v1.5 or OAEP; otherwise as above.

    Raises:
        ServiceError: `mechanism-unavailable`.
    """
    leaving = derive(DeliverableKey)
    try:
        return wrap_to(leaving.operation, recipient, leaving.key, oaep), False
    except MechanismUnavailable as error:
        if not may_be_read:
            raise _exception_missing(error, setting) from error
    return exposed.to_recipient(recipient, derive(ReadableKey), oaep), True


@contextmanager
def _kept_inside() -> Iterator[None]:
    """Say of a master key that is a card's key itself why it does not leave."""
    try:
        yield
    except KeyNotExtractable as error:
        raise ServiceError(
            Code.KEY_MISSING,
            f"an undiversified key cannot leave the token: {error}; only one that its ceremony "
            "made for a backup can",
        ) from error


def _require_exception(
    error: MechanismUnavailable, wrapping: TokenKey, allowed: bool, setting: str
) -> None:
    if wrapping.shape.is_aes:
        # Triple DES alone is computed outside; AES would come out as the wrong ciphertext.
        raise ServiceError(Code.MECHANISM_UNAVAILABLE, str(error)) from error
    if not allowed:
        raise _exception_missing(error, setting) from error


def _exception_missing(error: MechanismUnavailable, setting: str) -> ServiceError:
    return ServiceError(
        Code.MECHANISM_UNAVAILABLE,
        f"{error}; {setting} would have to say allow_key_material_in_worker = true",
    )
