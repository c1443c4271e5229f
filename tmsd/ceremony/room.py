"""What steps work with: the token, the people, and a folder for what comes of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hsm.token import Token
from tmsd.ceremony.binding import Binding
from tmsd.ceremony.configured_token import configured_token
from tmsd.ceremony.people import People


@dataclass(frozen=True, slots=True)
class Room:
    """Where a ceremony takes place.

    Attributes:
        binding: the token, and who plays which part.
        people: asks them.
        folder: for certificates, requests and backups that come of the steps.
        deployment: whose keys they are.
        rehearsal: whether the token is thrown away afterwards.
    """

    binding: Binding
    people: People
    folder: Path
    deployment: str
    rehearsal: bool = False

    @contextmanager
    def token(self) -> Iterator[Token]:
        """Log in, writable, for the length of one step.

        Raises:
            HsmError: as configured_token does.
        """
        with configured_token(self.binding.hsm, writable=True) as token:
            yield token
