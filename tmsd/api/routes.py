"""What a route is: where it stands, who may use it, and what goes in and out."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tmsd.api.bodies import Body
from tmsd.audit.trail import Trail
from tmsd.config.callers import Caller, Role
from tmsd.errors import Code
from tmsd.tks.service import Tks

Serve = Callable[[Tks, Caller, Any, Trail], Awaitable[Body]]

# What any route may refuse with.
COMMON_REFUSALS = (
    Code.CERTIFICATE_REFUSED,
    Code.CALLER_UNKNOWN,
    Code.ROLE_MISSING,
    Code.OVERLOADED,
    Code.HSM_UNAVAILABLE,
    Code.AUDIT_UNAVAILABLE,
    Code.CLOCK_UNRELIABLE,
    Code.RATE_LIMITED,
    Code.INTERNAL_ERROR,
)
# What every call needs to be answered, and what it is refused with while that is lacking: a
# decision that cannot be recorded is not made, and none of these is made without the HSM.
NEEDS = {"audit": Code.AUDIT_UNAVAILABLE, "hsm": Code.HSM_UNAVAILABLE}
BODY_REFUSALS = (
    Code.REQUEST_INVALID,
    Code.BODY_TOO_LARGE,
    Code.MEDIA_TYPE_UNSUPPORTED,
    Code.REQUEST_TIMEOUT,
)


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the API; the server and the OpenAPI document are both made from it.

    Attributes:
        method: GET or POST.
        path: below the server's root.
        operation: its name in the audit log and the OpenAPI document.
        summary: one sentence.
        role: what the caller must be.
        request: the request's body; None where there is none.
        answer: the answer's body.
        serve: does the work; it gets the parsed body, or None.
        refusals: the codes that this call adds to the common ones.
        intent: where the answer changes a card, says for the record what is about to be
            tried; it is written before the HSM is asked.
    """

    method: str
    path: str
    operation: str
    summary: str
    role: Role
    request: type[Body] | None
    answer: type[Body]
    serve: Serve
    refusals: tuple[Code, ...] = ()
    intent: Callable[[Any], dict[str, str | int | bool]] | None = None

    @property
    def all_refusals(self) -> tuple[Code, ...]:
        """Every code that this call may answer with."""
        body = BODY_REFUSALS if self.request else ()
        return COMMON_REFUSALS + body + self.refusals
