"""What the service refused, and what to do next."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

_PREFIX = "urn:tmsd:problem:"


class Next(StrEnum):
    """What a caller can do about a refusal (docs/integrator/state-machine.md)."""

    CORRECT_REQUEST = "correct-request"
    RETRY = "retry"
    REOPEN_CHANNEL = "reopen-channel"
    REFUSE_CARD = "refuse-card"
    CALL_OFFICER = "call-officer"


class Problem(Exception):
    """A refusal of the service (RFC 9457).

    Attributes:
        code: stable, for programs.
        title: the same for every problem of this code.
        detail: what was wrong, where, and what would be right.
        next: what to do.
        status: the HTTP status.
        pointer: JSON pointer of the field at fault, or None.
        request_id: by which the service's log and audit record are found.
        retry_after: in how many seconds asking again can help, where the service says so.
    """

    def __init__(  # noqa: PLR0913  one argument for each field of the document
        self,
        *,
        code: str,
        title: str,
        detail: str,
        next_step: Next,
        status: int,
        pointer: str | None,
        request_id: str,
        retry_after: float | None,
    ) -> None:
        super().__init__(f"{title}: {detail}")
        self.code = code
        self.title = title
        self.detail = detail
        self.next = next_step
        self.status = status
        self.pointer = pointer
        self.request_id = request_id
        self.retry_after = retry_after

    @classmethod
    def parse(cls, document: Mapping[str, Any], retry_after: str | None) -> Self:
        """Read a problem document, and the header Retry-After in seconds.

        Raises:
            ProtocolError: it is none.
        """
        try:
            return cls(
                code=str(document["type"]).removeprefix(_PREFIX),
                title=str(document["title"]),
                detail=str(document["detail"]),
                next_step=Next(document["next"]),
                status=int(document["status"]),
                pointer=document.get("pointer"),
                request_id=str(document["request_id"]),
                retry_after=None if retry_after is None else float(retry_after),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ProtocolError("the service refused without a problem document") from error


class ProtocolError(Exception):
    """The other side does not speak the narrow API."""


class ServiceUnreachable(Exception):
    """The service cannot be reached, does not answer, or does not accept this certificate."""
