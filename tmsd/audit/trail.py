"""Recording one decision around the code that makes it: nothing is answered unrecorded."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from tmsd.audit.log import AuditLog
from tmsd.audit.receipt import Receipt
from tmsd.audit.record import MAX_RECEIPTS, Decision, Outcome
from tmsd.errors import Code, ServiceError

_FAILURES = frozenset(
    {
        Code.OVERLOADED,
        Code.HSM_UNAVAILABLE,
        Code.AUDIT_UNAVAILABLE,
        Code.STORE_UNAVAILABLE,
        Code.CLOCK_UNRELIABLE,
        Code.MECHANISM_UNAVAILABLE,
        Code.KEY_MISSING,
        Code.INTERNAL_ERROR,
    }
)


@dataclass(slots=True)
class Trail:
    """What is known of a decision while it is being made; services fill it in.

    Fields are those of `Decision`.
    """

    operation: str
    request_id: str
    caller: str | None = None
    key_set: str | None = None
    key_version: int | None = None
    diversification_data: bytes | None = None
    request_digest: str | None = None
    answer_digest: str | None = None
    details: dict[str, str | int | bool] = field(default_factory=dict)
    receipts: list[Receipt] = field(default_factory=list)

    def decision(self, outcome: Outcome, code: Code | None) -> Decision:
        """Return the decision that the trail led to."""
        data = self.diversification_data
        return Decision(
            operation=self.operation,
            outcome=outcome,
            request_id=self.request_id,
            caller=self.caller,
            code=code,
            key_set=self.key_set,
            key_version=self.key_version,
            diversification_data=data.hex() if data else None,
            request_digest=self.request_digest,
            answer_digest=self.answer_digest,
            details=self.details,
            receipts=tuple(self.receipts[:MAX_RECEIPTS]),
        )

    def decisions(self, outcome: Outcome, code: Code | None) -> Iterator[Decision]:
        """Yield what is to be recorded: the decision, after the receipts that it cannot hold."""
        for start in range(MAX_RECEIPTS, len(self.receipts), MAX_RECEIPTS):
            yield Decision(
                operation=f"{self.operation}.receipts",
                outcome=Outcome.ALLOWED,
                request_id=self.request_id,
                caller=self.caller,
                receipts=tuple(self.receipts[start : start + MAX_RECEIPTS]),
            )
        yield self.decision(outcome, code)

    def intent(self, details: dict[str, str | int | bool]) -> Decision:
        """Return the record of what is about to be tried: the outcome's follows it."""
        tried = replace(self, operation=f"{self.operation}.intent", details=details, receipts=[])
        return tried.decision(Outcome.ALLOWED, None)


@asynccontextmanager
async def recorded(log: AuditLog, trail: Trail) -> AsyncIterator[Trail]:
    """Record what comes of the body, before the caller learns of it.

    Raises:
        ServiceError: the body's own, once it is recorded; `audit-unavailable` when the
            record could not be made: then the body's result must be discarded, and while that
            is so no body is entered.
    """
    await log.require_writable()
    try:
        yield trail
    except ServiceError as refusal:
        outcome = Outcome.FAILED if refusal.code in _FAILURES else Outcome.REFUSED
        await log.record_together(trail.decisions(outcome, refusal.code))
        raise
    except BaseException:
        # Also when the request is cancelled: the operation may have taken place.
        await log.record_together(trail.decisions(Outcome.FAILED, Code.INTERNAL_ERROR))
        raise
    await log.record_together(trail.decisions(Outcome.ALLOWED, None))
