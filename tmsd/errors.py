"""Refusals of every service: one exception, one closed list of stable codes.

A code is part of the API (docs/api.md) and never changes its meaning. What a code
looks like on the wire (HTTP status, title, what to do next) is the edge's business:
tmsd/api/problems.py.
"""

from enum import StrEnum


class Code(StrEnum):
    """The stable name of a refusal, as callers see it in `urn:tmsd:problem:<code>`."""

    # The request itself
    REQUEST_INVALID = "request-invalid"
    HEAD_TOO_LARGE = "head-too-large"
    NOT_FOUND = "not-found"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    MEDIA_TYPE_UNSUPPORTED = "media-type-unsupported"
    BODY_TOO_LARGE = "body-too-large"
    REQUEST_TIMEOUT = "request-timeout"

    # The caller
    CERTIFICATE_REFUSED = "certificate-refused"
    CALLER_UNKNOWN = "caller-unknown"
    ROLE_MISSING = "role-missing"
    DELIVERY_NOT_ALLOWED = "delivery-not-allowed"

    # The key set
    KEY_SET_AMBIGUOUS = "key-set-ambiguous"
    KEY_SET_UNKNOWN = "key-set-unknown"
    KEY_VERSION_UNKNOWN = "key-version-unknown"
    KEY_VERSION_NOT_YET_ACTIVE = "key-version-not-yet-active"
    KEY_VERSION_RETIRED = "key-version-retired"
    KEY_MISSING = "key-missing"

    # The card and its channel
    INITIALIZE_UPDATE_INVALID = "initialize-update-invalid"
    CARD_CRYPTOGRAM_MISMATCH = "card-cryptogram-mismatch"
    CHALLENGE_NOT_ISSUED = "challenge-not-issued"
    CHALLENGE_USED = "challenge-used"
    PROTOCOL_MISMATCH = "protocol-mismatch"
    LEVEL_NOT_SUPPORTED = "level-not-supported"
    COMMAND_NOT_ALLOWED = "command-not-allowed"
    APDU_INVALID = "apdu-invalid"
    APDU_TOO_LONG = "apdu-too-long"
    RESPONSE_INVALID = "response-invalid"
    PUT_KEY_UNCONFIRMED = "put-key-unconfirmed"
    CHANGE_NOT_ALLOWED = "change-not-allowed"
    PURPOSE_NOT_ALLOWED = "purpose-not-allowed"
    SESSION_EXPIRED = "session-expired"
    SESSION_FOREIGN = "session-foreign"
    SESSION_INVALID = "session-invalid"
    SESSION_CLOSED = "session-closed"

    # Certificates
    CA_UNKNOWN = "ca-unknown"
    PROFILE_UNKNOWN = "profile-unknown"
    PROFILE_NOT_ALLOWED = "profile-not-allowed"
    ISSUANCE_REFUSED = "issuance-refused"
    PREPARED_INVALID = "prepared-invalid"
    CERTIFICATE_UNKNOWN = "certificate-unknown"
    CRL_UNKNOWN = "crl-unknown"
    CRL_TOO_LARGE = "crl-too-large"
    STATUS_CONFLICT = "status-conflict"
    IDEMPOTENCY_KEY_MISSING = "idempotency-key-missing"
    IDEMPOTENCY_KEY_REUSED = "idempotency-key-reused"

    # The appliance
    MECHANISM_UNAVAILABLE = "mechanism-unavailable"
    BACKING_OFF = "backing-off"
    RATE_LIMITED = "rate-limited"
    OVERLOADED = "overloaded"
    HSM_UNAVAILABLE = "hsm-unavailable"
    AUDIT_UNAVAILABLE = "audit-unavailable"
    STORE_UNAVAILABLE = "store-unavailable"
    CLOCK_UNRELIABLE = "clock-unreliable"
    INTERNAL_ERROR = "internal-error"


class ServiceError(Exception):
    """A refusal that the caller is told about.

    Args:
        code: the stable code.
        detail: what was wrong, where, and what would be right; never a secret, and
            never a word of an internal error.
        pointer: the JSON pointer (RFC 6901) of the field at fault, where one is.
        retry_after: in how many seconds asking again can help, where that is known.
    """

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        pointer: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.retry_after = retry_after
        self.code = code
        self.detail = detail
        self.pointer = pointer


class faults_at:  # noqa: N801  reads as the statement that it makes
    """`with faults_at(…):` says where a refusal of the request points, unless it says so itself.

    Args:
        pointer: a JSON pointer (RFC 6901).
    """

    __slots__ = ("_pointer",)

    def __init__(self, pointer: str) -> None:
        self._pointer = pointer

    def __enter__(self) -> None:
        pass

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, ServiceError):
            located = error.pointer or self._pointer
            raise ServiceError(error.code, error.detail, pointer=located) from error
