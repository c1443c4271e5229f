"""What a route is: where it stands, who may use it, and what goes in and out."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tmsd.api.bodies import Body
from tmsd.audit.trail import Trail
from tmsd.ca.service import Certification
from tmsd.config.callers import Caller, Role
from tmsd.config.policy import Policy
from tmsd.errors import Code
from tmsd.tks.service import Tks


@dataclass(frozen=True, slots=True)
class Services:
    """What serves the routes."""

    tks: Tks
    ca: Certification

    def under(self, policy: Policy) -> "Services":
        """Return the same services under another policy."""
        return Services(replace(self.tks, policy=policy), replace(self.ca, policy=policy))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was read.

    Attributes:
        body: as the route's `request` has it; None where there is none.
        path: the parameters of the path.
        idempotency_key: the header Idempotency-Key, where the route takes it.
    """

    body: Any
    path: Mapping[str, str]
    idempotency_key: str | None = None


# Patterns of what stands in paths and headers.
PARAMETERS = {"ca": r"^[a-z0-9][a-z0-9._-]{0,63}$", "serial_number": r"^[0-9a-f]{32}$"}
IDEMPOTENCY_KEY = r"^[A-Za-z0-9._-]{16,64}$"

Serve = Callable[[Services, Caller, Asked, Trail], Awaitable[Body]]

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
# What calls need to be answered, and what they are refused with while that is lacking: a decision
# that cannot be recorded is not made, and most are not made without the HSM.
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
        roles: what the caller must be, one of these.
        request: the request's body; None where there is none.
        answer: the answer's body.
        serve: does the work; it gets the parsed body, or None.
        refusals: the codes that this call adds to the common ones.
        idempotent: whether it needs the header Idempotency-Key.
        needs_hsm: whether the HSM is asked.
        intends: whether the service itself puts on record what it is about to change.
        intent: where the answer changes a card, says for the record what is about to be
            tried; it is written before the HSM is asked.
    """

    method: str
    path: str
    operation: str
    summary: str
    roles: tuple[Role, ...]
    request: type[Body] | None
    answer: type[Body]
    serve: Serve
    refusals: tuple[Code, ...] = ()
    idempotent: bool = False
    needs_hsm: bool = True
    intends: bool = False
    intent: Callable[[Any], dict[str, str | int | bool]] | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the path's parameters."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))

    @property
    def needs(self) -> Mapping[str, Code]:
        """What must be there, and the refusal while it is lacking."""
        return {need: code for need, code in NEEDS.items() if need != "hsm" or self.needs_hsm}

    @property
    def all_refusals(self) -> tuple[Code, ...]:
        """Every code that this call may answer with."""
        body = BODY_REFUSALS if self.request else ()
        return COMMON_REFUSALS + body + self.refusals
