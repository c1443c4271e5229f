"""What workers tell of a request beside their answers, for the record."""

from dataclasses import dataclass, field

from tmsd.vault.messages import Receipt


@dataclass(slots=True)
class Account:
    """Filled in while a request is served, whatever comes of it."""

    receipts: list[Receipt] = field(default_factory=list)
