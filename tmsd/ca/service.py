"""What every operation of the certificate authority works with."""

from dataclasses import dataclass
from typing import TypeVar

from tmsd import asking
from tmsd.audit.log import AuditLog
from tmsd.audit.trail import Trail
from tmsd.config.authorities import Authority
from tmsd.config.policy import Policy
from tmsd.errors import Code, ServiceError
from tmsd.store.reader import Reader
from tmsd.store.store import Store
from tmsd.vault.message import Answer, Request
from tmsd.vault.pool import Vault

A = TypeVar("A", bound=Answer)

Details = dict[str, str | int | bool]


@dataclass(frozen=True, slots=True)
class Certification:
    """The service: whom it asks, what is allowed, where certificates are on record.

    Attributes:
        vault: the HSM's workers.
        policy: what is allowed.
        store: where certificates are put on record.
        reader: reads the same database, and keeps nobody who writes from it.
        audit: the record of decisions.
    """

    vault: Vault
    policy: Policy
    store: Store
    reader: Reader
    audit: AuditLog

    def authority(self, name: str) -> Authority:
        """Return a CA of the policy.

        Raises:
            ServiceError: `ca-unknown`.
        """
        authority = self.policy.authorities.by_name.get(name)
        if authority is None:
            raise ServiceError(Code.CA_UNKNOWN, f"there is no CA {name!r}")
        return authority

    async def ask(self, request: Request[A], trail: Trail) -> A:
        """Ask the HSM's workers, and put on record what they tell of it.

        Raises:
            ServiceError: the worker's refusal, or it could not be asked.
        """
        return await asking.ask(self.vault, request, trail)

    async def intend(self, trail: Trail, details: Details) -> None:
        """Put on record what is about to be done, before it is.

        Raises:
            ServiceError: `audit-unavailable`.
        """
        await self.audit.record(trail.intent(details))
