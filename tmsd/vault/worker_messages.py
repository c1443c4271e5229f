"""What a worker says of itself: how it is, what it refuses, and what it has done."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from tmsd.errors import Code
from tmsd.vault.message import Answer, Name, NamedCard, Seconds, Text

WorkerId = Annotated[bytes, Meta(min_length=8, max_length=8)]
Generation = Annotated[int, Meta(ge=1, lt=2**53)]


class Refused(Answer, frozen=True, tag="refused"):
    """A refusal; the front tells the caller of it, and records it with the card."""

    code: Code
    detail: Text
    pointer: Text | None = None
    card: NamedCard | None = None


class Capabilities(Struct, frozen=True, forbid_unknown_fields=True):
    """What the worker's token does; the fields are those of hsm/capabilities.py."""

    derives_aes_ecb: bool
    derives_des3_ecb: bool
    derives_des3_cbc: bool
    signs_aes_cmac: bool
    signs_hmac_sha256: bool
    wraps_aes_cbc: bool
    wraps_des3_ecb: bool
    wraps_aes_key_wrap: bool


class PolicyApproval(Struct, frozen=True, forbid_unknown_fields=True):
    """Who of the quorum approved the worker's policy, by name, and when it was activated."""

    approved_by: Annotated[list[Name], Meta(min_length=1, max_length=32)]
    activated: Seconds


class Started(Answer, frozen=True, tag="started"):
    """The first thing that a worker says, unasked: it is logged in and ready.

    `worker` tells this process from every other that there was or will be. `policy_approval` is
    None where the token has no quorum, which would have to approve policies.
    """

    worker: WorkerId
    generation: Generation
    token: Text
    policy_digest: Annotated[str, Meta(min_length=64, max_length=64)]
    capabilities: Capabilities
    policy_approval: PolicyApproval | None = None


class StartFailed(Answer, frozen=True, tag="start-failed"):
    """The first and last thing that a worker says which cannot start."""

    reason: Text


class Condition(Answer, frozen=True, tag="condition"):
    """How a worker is, unasked: once a second, and at once when its state changes.

    `derivations` counts the keys derived since the worker began; `resident_bytes` is the memory
    that it holds. `reason` says why the token counts as lost.
    """

    state: Literal["operational", "lost"]
    generation: Generation
    derivations: Annotated[int, Meta(ge=0, lt=2**53)]
    resident_bytes: Annotated[int, Meta(ge=0, lt=2**53)]
    reason: Text | None = None


class Receipt(Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker did, for the record: a front that hides an operation leaves a gap.

    `sequence` counts the answers of this worker's process from 1. `digest` is the SHA-256 of
    the encoded request and the encoded answer after it. `mac` is a CMAC by the token over all
    fields but the version of the key that made it.
    """

    worker: WorkerId
    generation: Generation
    sequence: Annotated[int, Meta(ge=1, lt=2**53)]
    operation: Name
    digest: Annotated[bytes, Meta(min_length=32, max_length=32)]
    key_version: Annotated[int, Meta(ge=0, le=255)]
    mac: Annotated[bytes, Meta(min_length=16, max_length=16)]

    def mac_input(self) -> bytes:
        """Return what `mac` is over; docs/audit.md has the layout."""
        return (
            b"tmsd-receipt-v1"
            + self.worker
            + self.generation.to_bytes(8)
            + self.sequence.to_bytes(8)
            + self.digest
            + self.operation.encode()
        )
