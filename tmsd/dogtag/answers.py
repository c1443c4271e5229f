"""Answers as Dogtag 10.10 gives them: fields in its order, `%XX` for bytes, a status for refusals.

With AES keys for key generation the fields are those of later versions. Dogtag answers 200 to all
that it decided; where it broke off, with a page. Where nothing can be decided here, the code tells
a load balancer, and the status a TPS.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from tmsd.config.key_sets import Scp
from tmsd.dogtag.requests import Operation
from tmsd.errors import Code, ServiceError
from tmsd.vault.dogtag_messages import (
    ChallengeEncrypted,
    KeygenKeys,
    KeySetDataMade,
    Scp02KeyMade,
    SessionKeysMade,
)

HTML = "text/html"
LEAST_RETRY_SECONDS = 1

Field = tuple[str, bytes]

_UNAVAILABLE = frozenset(
    {
        Code.OVERLOADED,
        Code.RATE_LIMITED,
        Code.HSM_UNAVAILABLE,
        Code.AUDIT_UNAVAILABLE,
        Code.STORE_UNAVAILABLE,
        Code.CLOCK_UNRELIABLE,
    }
)
_UNAUTHORIZED = frozenset({Code.CERTIFICATE_REFUSED, Code.CALLER_UNKNOWN, Code.ROLE_MISSING})
_HTTP_STATUS: Mapping[Code, int] = {
    **dict.fromkeys(_UNAVAILABLE, HTTPStatus.SERVICE_UNAVAILABLE),
    Code.BODY_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Code.REQUEST_TIMEOUT: HTTPStatus.REQUEST_TIMEOUT,
    Code.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_FAILED, _UNFIT, _NO_KEY, _CRYPTOGRAM = "1", "3", "4", "5"
_WITH_KEY_CHECK = frozenset({Operation.SESSION, Operation.SCP02_KEY})

# In words of our own.
_PAGE = b"<!DOCTYPE html>\n<title>TKS</title>\n<p>This request cannot be processed.\n"


@dataclass(frozen=True, slots=True)
class Page:
    """An answer.

    Attributes:
        body: of it.
        content_type: None where Dogtag sends none.
        http_status: of it.
        retry_after: in seconds; None where asking again is of no use.
    """

    body: bytes
    content_type: str | None = HTML
    http_status: int = HTTPStatus.OK
    retry_after: int | None = None


BROKEN_OFF = Page(_PAGE)
"""What Dogtag answers where it breaks off, but for its words."""

NOTHING = Page(b"", None)
"""What Dogtag answers where SCP02 breaks off."""


def session_keys(scp: Scp, made: SessionKeysMade) -> Page:
    """Return session keys of SCP01 or SCP03."""
    mac, dek = "macSessionKey" if scp is Scp.SCP03 else "sessionKey", []
    if scp is Scp.SCP03:
        dek = [("kekSessionKey", made.dek or b"")]
    return _succeeded(
        (mac, made.mac),
        ("hostCryptogram", made.host_cryptogram),
        ("encSessionKey", made.enc),
        *dek,
        *(_keygen(scp, made.keygen) if made.keygen else ()),
    )


def scp02_key(made: Scp02KeyMade) -> Page:
    """Return a session key of SCP02; with the DEK come those for key generation, and no AES key."""
    keygen: list[Field] = []
    if made.keygen is not None:
        des = made.keygen.des
        keygen = [
            ("drm_trans_desKey", des.for_drm),
            ("kek_wrapped_desKey", des.under_dek),
            ("keycheck", des.key_check_value),
        ]
    return _succeeded(("sessionKey", made.key), *keygen, content_type=None)


def key_set_data(made: KeySetDataMade) -> Page:
    """Return the data of a PUT KEY command."""
    return _succeeded(("keySetData", made.key_set_data))


def challenge(made: ChallengeEncrypted) -> Page:
    """Return a challenge, and the same encrypted."""
    return _succeeded(("data", made.challenge), ("encryptedData", made.encrypted))


def random(made: bytes) -> Page:
    """Return random bytes."""
    return _succeeded(("randomData", made))


def refused(operation: Operation, refusal: ServiceError) -> Page:
    """Return what tells a TPS of a refusal."""
    if refusal.code in _UNAUTHORIZED:
        return Page(b"unauthorized=")
    if refusal.code in _HTTP_STATUS:
        return Page(
            f"status={_FAILED}".encode(),
            http_status=_HTTP_STATUS[refusal.code],
            retry_after=_retry_after(refusal) if refusal.code in _UNAVAILABLE else None,
        )
    match operation, refusal.pointer:
        case (Operation.UNDECIDED, _):
            return BROKEN_OFF
        case (Operation.SCP02_KEY, "/KeyInfo") if refusal.code is Code.PROTOCOL_MISMATCH:
            return NOTHING
        case (Operation.KEY_SET_DATA, "/newKeyInfo") if refusal.code is Code.KEY_VERSION_UNKNOWN:
            return BROKEN_OFF
    status = _status(operation, refusal.code)
    return Page(f"status={status}".encode(), _type_of_failure(operation, status))


def _status(operation: Operation, code: Code) -> str:
    if code is Code.REQUEST_INVALID and operation is not Operation.RANDOM:
        return _UNFIT
    if code is Code.CARD_CRYPTOGRAM_MISMATCH:
        return _CRYPTOGRAM
    if code is Code.KEY_MISSING and operation in _WITH_KEY_CHECK:
        return _NO_KEY
    return _FAILED


def _type_of_failure(operation: Operation, status: str) -> str | None:
    is_early = operation is Operation.KEY_SET_DATA and status == _UNFIT
    return None if is_early or operation is Operation.SCP02_KEY else HTML


def _keygen(scp: Scp, keys: KeygenKeys) -> Iterator[Field]:
    des, aes = keys.des, keys.aes
    yield "kek_wrapped_desKey", des.under_dek
    if aes is None:
        yield "keycheck", des.key_check_value
        yield "drm_trans_desKey", des.for_drm
        return
    yield "kek_wrapped_aesKey", aes.under_dek
    if scp is Scp.SCP03:
        yield "keycheck", aes.key_check_value
        yield "keycheck_des", des.key_check_value
    else:
        yield "keycheck", des.key_check_value
    yield "drm_trans_desKey", des.for_drm
    yield "drm_trans_aesKey", aes.for_drm


def _succeeded(*fields: Field, content_type: str | None = HTML) -> Page:
    values = (f"&{name}={_percent(value)}" for name, value in fields)
    return Page(f"status=0{''.join(values)}".encode(), content_type)


def _percent(value: bytes) -> str:
    return "".join(f"%{byte:02X}" for byte in value)


def _retry_after(refusal: ServiceError) -> int:
    return max(LEAST_RETRY_SECONDS, math.ceil(refusal.retry_after or 0))
