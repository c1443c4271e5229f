"""A worker's receipt as the record has it: what was done, by which worker, as which in turn."""

import re
from dataclasses import dataclass
from typing import Self

_FORM = re.compile(
    r"([0-9a-f]{16}):([1-9][0-9]{0,15}):([1-9][0-9]{0,15}):([a-z0-9][a-z0-9._-]{0,63})"
    r":([0-9a-f]{64}):(0|[1-9][0-9]{0,2}):([0-9a-f]{32})"
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """One answer of one worker; `str` spells it as it stands in a record.

    Attributes:
        worker: the worker's process, 8 bytes in hex.
        generation: how often that worker has reached its token anew, from 1.
        sequence: the answers of that worker, from 1 and without a gap.
        operation: what was asked, as messages name it.
        digest: SHA-256 of request and answer, in hex.
        key_version: of the key `tmsd-receipt` that made `mac`.
        mac: CMAC of the fields before the version, made in the token, 16 bytes in hex.
    """

    worker: str
    generation: int
    sequence: int
    operation: str
    digest: str
    key_version: int
    mac: str

    def __str__(self) -> str:
        """Return the fields with colons between them."""
        return (
            f"{self.worker}:{self.generation}:{self.sequence}:{self.operation}"
            f":{self.digest}:{self.key_version}:{self.mac}"
        )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` wrote.

        Raises:
            ValueError: it is no receipt.
        """
        fields = _FORM.fullmatch(text)
        if fields is None:
            raise ValueError("no receipt of a worker")
        worker, generation, sequence, operation, digest, key_version, mac = fields.groups()
        return cls(worker, int(generation), int(sequence), operation, digest, int(key_version), mac)
