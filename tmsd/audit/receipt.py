"""A worker's receipt as the record has it: what was done, by which worker, as which in turn."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Receipt:
    """One answer of one worker.

    Attributes:
        worker: the worker's process, 8 bytes in hex.
        generation: how often that worker has reached its token anew, from 1.
        sequence: the answers of that worker, from 1 and without a gap.
        operation: what was asked, as messages name it.
        digest: SHA-256 of request and answer, in hex.
        mac: CMAC of the fields before, made in the token, 16 bytes in hex.
    """

    worker: str
    generation: int
    sequence: int
    operation: str
    digest: str
    mac: str
