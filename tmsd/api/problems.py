"""Problem documents (RFC 9457): how each refusal looks on the wire, and what to do next."""

import json
import math
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from tmsd.errors import Code, ServiceError

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:tmsd:problem:"
RETRY_AFTER_SECONDS = 2


class Next(StrEnum):
    """What a caller can do about a refusal."""

    CORRECT_REQUEST = "correct-request"
    RETRY = "retry"
    REOPEN_CHANNEL = "reopen-channel"
    CALL_OFFICER = "call-officer"
    REFUSE_CARD = "refuse-card"


@dataclass(frozen=True, slots=True)
class Kind:
    """The fixed part of a problem: HTTP status, title, and the next step."""

    status: int
    title: str
    next: Next


KINDS: dict[Code, Kind] = {
    Code.REQUEST_INVALID: Kind(400, "The request is not valid", Next.CORRECT_REQUEST),
    Code.HEAD_TOO_LARGE: Kind(431, "The head is too large", Next.CORRECT_REQUEST),
    Code.NOT_FOUND: Kind(404, "There is nothing here", Next.CORRECT_REQUEST),
    Code.METHOD_NOT_ALLOWED: Kind(405, "The method is not allowed", Next.CORRECT_REQUEST),
    Code.MEDIA_TYPE_UNSUPPORTED: Kind(415, "The body must be JSON", Next.CORRECT_REQUEST),
    Code.BODY_TOO_LARGE: Kind(413, "The body is too large", Next.CORRECT_REQUEST),
    Code.REQUEST_TIMEOUT: Kind(408, "The request did not arrive in time", Next.RETRY),
    Code.CERTIFICATE_REFUSED: Kind(403, "The certificate holds no more", Next.CALL_OFFICER),
    Code.CALLER_UNKNOWN: Kind(403, "The caller is not known", Next.CALL_OFFICER),
    Code.ROLE_MISSING: Kind(403, "The caller lacks the role", Next.CALL_OFFICER),
    Code.DELIVERY_NOT_ALLOWED: Kind(403, "The delivery is not allowed", Next.CALL_OFFICER),
    Code.KEY_SET_AMBIGUOUS: Kind(409, "The key set must be named", Next.CORRECT_REQUEST),
    Code.KEY_SET_UNKNOWN: Kind(422, "The key set is not known", Next.CORRECT_REQUEST),
    Code.KEY_VERSION_UNKNOWN: Kind(422, "The key version is not known", Next.REFUSE_CARD),
    Code.KEY_VERSION_NOT_YET_ACTIVE: Kind(
        422, "The key version is not active yet", Next.REFUSE_CARD
    ),
    Code.KEY_VERSION_RETIRED: Kind(422, "The key version is retired", Next.REFUSE_CARD),
    Code.KEY_MISSING: Kind(409, "The HSM lacks the master key", Next.CALL_OFFICER),
    Code.INITIALIZE_UPDATE_INVALID: Kind(422, "The card's answer cannot be read", Next.REFUSE_CARD),
    Code.CARD_CRYPTOGRAM_MISMATCH: Kind(422, "The card cryptogram is wrong", Next.REFUSE_CARD),
    Code.CHALLENGE_NOT_ISSUED: Kind(422, "The challenge was not issued", Next.REOPEN_CHANNEL),
    Code.CHALLENGE_USED: Kind(422, "The challenge was used before", Next.REOPEN_CHANNEL),
    Code.PROTOCOL_MISMATCH: Kind(422, "The protocol does not fit", Next.REFUSE_CARD),
    Code.LEVEL_NOT_SUPPORTED: Kind(
        422, "The security level is not supported", Next.CORRECT_REQUEST
    ),
    Code.COMMAND_NOT_ALLOWED: Kind(403, "The command is not allowed", Next.CALL_OFFICER),
    Code.APDU_INVALID: Kind(422, "The command cannot be read", Next.CORRECT_REQUEST),
    Code.APDU_TOO_LONG: Kind(422, "The command is too long", Next.CORRECT_REQUEST),
    Code.RESPONSE_INVALID: Kind(422, "The response cannot be read", Next.CORRECT_REQUEST),
    Code.CHANGE_NOT_ALLOWED: Kind(403, "The key changeover is not allowed", Next.CALL_OFFICER),
    Code.PUT_KEY_UNCONFIRMED: Kind(
        409, "The card does not confirm the new keys", Next.REOPEN_CHANNEL
    ),
    Code.PURPOSE_NOT_ALLOWED: Kind(403, "The purpose is not allowed", Next.CALL_OFFICER),
    Code.SESSION_EXPIRED: Kind(410, "The session has expired", Next.REOPEN_CHANNEL),
    Code.SESSION_FOREIGN: Kind(403, "The session is another caller's", Next.REOPEN_CHANNEL),
    Code.SESSION_INVALID: Kind(422, "The session is not valid", Next.REOPEN_CHANNEL),
    Code.SESSION_CLOSED: Kind(409, "The session is closed", Next.REOPEN_CHANNEL),
    Code.CA_UNKNOWN: Kind(404, "There is no such CA", Next.CORRECT_REQUEST),
    Code.PROFILE_UNKNOWN: Kind(422, "There is no such profile", Next.CORRECT_REQUEST),
    Code.PROFILE_NOT_ALLOWED: Kind(403, "The profile is not allowed", Next.CALL_OFFICER),
    Code.ISSUANCE_REFUSED: Kind(422, "No certificate comes of this", Next.CORRECT_REQUEST),
    Code.PREPARED_INVALID: Kind(409, "The certificate must be asked for anew", Next.RETRY),
    Code.CERTIFICATE_UNKNOWN: Kind(404, "There is no such certificate", Next.CORRECT_REQUEST),
    Code.CRL_UNKNOWN: Kind(404, "There is no CRL yet", Next.RETRY),
    Code.CRL_TOO_LARGE: Kind(409, "The CRL is too large for an answer", Next.CORRECT_REQUEST),
    Code.STATUS_CONFLICT: Kind(409, "The certificate is revoked for good", Next.CORRECT_REQUEST),
    Code.IDEMPOTENCY_KEY_MISSING: Kind(400, "The Idempotency-Key is missing", Next.CORRECT_REQUEST),
    Code.IDEMPOTENCY_KEY_REUSED: Kind(
        409, "The Idempotency-Key was used before", Next.CORRECT_REQUEST
    ),
    Code.MECHANISM_UNAVAILABLE: Kind(501, "The HSM lacks a mechanism", Next.CALL_OFFICER),
    Code.BACKING_OFF: Kind(429, "The card failed too often", Next.RETRY),
    Code.RATE_LIMITED: Kind(429, "Too many requests", Next.RETRY),
    Code.OVERLOADED: Kind(503, "Too much is asked at once", Next.RETRY),
    Code.HSM_UNAVAILABLE: Kind(503, "The HSM is not available", Next.RETRY),
    Code.AUDIT_UNAVAILABLE: Kind(503, "The audit log cannot be written", Next.RETRY),
    Code.STORE_UNAVAILABLE: Kind(503, "The database cannot be used", Next.RETRY),
    Code.CLOCK_UNRELIABLE: Kind(503, "The clock has been set back", Next.RETRY),
    Code.INTERNAL_ERROR: Kind(500, "Something went wrong here", Next.CALL_OFFICER),
}


def problem_response(refusal: ServiceError, request_id: str) -> web.Response:
    """Return the answer that tells a caller of a refusal."""
    kind = KINDS[refusal.code]
    document = {
        "type": TYPE_PREFIX + refusal.code,
        "title": kind.title,
        "status": kind.status,
        "detail": refusal.detail,
        "request_id": request_id,
        "next": kind.next,
    }
    if refusal.pointer is not None:
        document["pointer"] = refusal.pointer
    seconds = max(1, math.ceil(refusal.retry_after or RETRY_AFTER_SECONDS))
    headers = {"Retry-After": str(seconds)} if kind.status in (429, 503) else {}
    # As bytes: text would get a charset, which JSON has not (RFC 8259, section 11).
    content = json.dumps(document).encode()
    return web.Response(
        body=content, status=kind.status, content_type=CONTENT_TYPE, headers=headers
    )
