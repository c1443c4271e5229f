"""What the service refused, and what to do next."""

from collections.abc import Mapping
from typing import Any, Self

_PREFIX = "urn:tmsd:problem:"


class Problem(Exception):
    """A refusal of the service (RFC 9457).

    Attributes:
        code: stable, for programs.
        title: the same for every problem of this code.
        detail: what was wrong, where, and what would be right.
        next: `correct-request`, `retry`, `reopen-channel`, `refuse-card` or `call-officer`.
        status: the HTTP status.
        pointer: JSON pointer of the field at fault, or None.
        request_id: by which the service's log and audit record are found.
    """

    def __init__(  # noqa: PLR0913  one argument for each field of the document
        self,
        *,
        code: str,
        title: str,
        detail: str,
        next_step: str,
        status: int,
        pointer: str | None,
        request_id: str,
    ) -> None:
        super().__init__(f"{title}: {detail}")
        self.code = code
        self.title = title
        self.detail = detail
        self.next = next_step
        self.status = status
        self.pointer = pointer
        self.request_id = request_id

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> Self:
        """Read a problem document.

        Raises:
            ProtocolError: it is none.
        """
        try:
            return cls(
                code=str(document["type"]).removeprefix(_PREFIX),
                title=str(document["title"]),
                detail=str(document["detail"]),
                next_step=str(document["next"]),
                status=int(document["status"]),
                pointer=document.get("pointer"),
                request_id=str(document["request_id"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ProtocolError("the service refused without a problem document") from error


class ProtocolError(Exception):
    """The other side does not speak the narrow API."""


class ServiceUnreachable(Exception):
    """The service cannot be reached, or does not accept this client's certificate."""
