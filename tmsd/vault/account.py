"""What workers tell of a request beside their answers, for the record."""

from dataclasses import dataclass, field

from tmsd.vault.message import NamedCard
from tmsd.vault.worker_messages import Receipt


@dataclass(slots=True)
class Account:
    """Filled in while a request is served, whatever comes of it.

    Attributes:
        receipts: of every answer that came, refusals too.
        refused_card: whose session it was, where a request was refused in a genuine one.
    """

    receipts: list[Receipt] = field(default_factory=list)
    refused_card: NamedCard | None = None
