"""What officers are asked to approve: an action, all that it does, and until when."""

import json
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta, Struct

from tmsd.quorum import canonical
from tmsd.quorum.canonical import UnixTime
from tmsd.quorum.quorum import Name, Quorum, Sha256Hex
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.quorum.words import rows

DOMAIN_TAG = b"tmsd-approval-v1"
LONGEST_LIFE_SECONDS = 7 * 24 * 3600
"""For so long at most may approvals be gathered."""

LONGEST_VALUE = 1000
"""Length of the longest text among the parameters, in characters."""

_READ_ALOUD_BYTES = 8
_Text = Annotated[str, Meta(max_length=LONGEST_VALUE)]
_Number = Annotated[int, Meta(ge=-(2**53) + 1, le=2**53 - 1)]
Parameters = Annotated[
    dict[Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,63}\Z")], _Text | _Number | bool],
    Meta(max_length=64),
]


class Request(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An action that takes a quorum.

    `requester` is the name of the officer who asks, or of the operator. `expires` is in seconds
    of Unix time. `quorum` is the digest of the quorum that is asked, and `policy_version` the
    version of the policy in force (0: there is none, or the action has nothing to do with it), as
    approvals die when either changes.
    """

    format: Literal["tmsd-request-v1"] = "tmsd-request-v1"
    deployment: Name
    action: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9.-]{0,63}\Z")]
    parameters: Parameters
    quorum: Sha256Hex
    policy_version: Annotated[int, Meta(ge=0, lt=2**31)]
    request_id: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    requester: Name
    expires: UnixTime

    def to_be_signed(self) -> bytes:
        """Return what an approval is a signature of: each field behind its length in 4 bytes."""
        parameters = json.dumps(self.parameters, sort_keys=True, separators=(",", ":"))
        fields = (
            self.deployment.encode(),
            self.action.encode(),
            parameters.encode("ascii"),
            bytes.fromhex(self.quorum),
            self.policy_version.to_bytes(4),
            bytes.fromhex(self.request_id),
            self.requester.encode(),
            self.expires.to_bytes(8),
        )
        return DOMAIN_TAG + b"".join(len(field).to_bytes(4) + field for field in fields)

    @property
    def digest(self) -> bytes:
        """The SHA-256 of what is signed, 32 bytes."""
        return sha256(self.to_be_signed()).digest()

    @property
    def read_aloud(self) -> Iterator[str]:
        """Rows of words by which those in a room make sure that they look at the same request."""
        return rows(self.digest[:_READ_ALOUD_BYTES])

    def shown(self) -> Iterator[str]:
        """Yield lines that say all that would be approved, with words to be read aloud."""
        yield from self.told()
        yield "To be read aloud:"
        yield from self.read_aloud

    def parameters_told(self, names: Collection[str]) -> Iterator[str]:
        """Yield a line for each of these parameters, in the order of their names."""
        for name in sorted(names):
            yield f"{name.replace('_', ' ')}: {_shown(self.parameters[name])}"

    def told(self, *, but: frozenset[str] = frozenset()) -> Iterator[str]:
        """Yield lines that say all that would be approved.

        Args:
            but: names of parameters that are told elsewhere.
        """
        yield f"Deployment: {self.deployment}"
        yield f"Action:     {self.action}"
        for line in self.parameters_told(self.parameters.keys() - but):
            yield f"    {line}"
        yield f"Asked by:   {self.requester}"
        yield f"Until:      {datetime.fromtimestamp(self.expires, UTC):%Y-%m-%d %H:%M:%S} UTC"
        if self.policy_version:
            yield f"Policy in force: {self.policy_version}"
        yield f"Request:    {self.request_id}"


def decode(document: bytes) -> Request:
    """Read a request.

    Raises:
        ApprovalRefused: `request-malformed`.
    """
    try:
        return canonical.decode(document, Request)
    except ValueError as error:
        raise ApprovalRefused(Rule.REQUEST_MALFORMED, str(error)) from None


def require_current(request: Request, quorum: Quorum, now: datetime) -> None:
    """Refuse a request that was made to another quorum, has run out, or would last too long.

    Raises:
        ApprovalRefused: `request-of-other-quorum`, `request-expired`, `request-too-long-lived`.
    """
    if (request.deployment, request.quorum) != (quorum.deployment, quorum.digest):
        raise ApprovalRefused(
            Rule.REQUEST_OF_OTHER_QUORUM,
            f"it was made to another quorum than number {quorum.number} of {quorum.deployment}",
        )
    left = request.expires - now.timestamp()
    if left <= 0:
        raise ApprovalRefused(Rule.REQUEST_EXPIRED, "it has run out: ask anew")
    if left > LONGEST_LIFE_SECONDS:
        raise ApprovalRefused(
            Rule.REQUEST_TOO_LONG_LIVED,
            f"it lasts for more than {LONGEST_LIFE_SECONDS // 86400} days",
        )


def _shown(value: str | float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    # As JSON, where text could be mistaken for something else or hide what comes after.
    return value if isinstance(value, str) and value.isprintable() else json.dumps(value)
