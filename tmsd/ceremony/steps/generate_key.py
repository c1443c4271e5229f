"""Step: generate a key in the token; it never exists outside."""

from collections.abc import Iterator
from typing import Literal

from hsm import importing
from hsm.token import Token
from tmsd.ceremony.described_key import DescribedKey, describe
from tmsd.ceremony.key_step import KeyStep
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.ceremony.wanted_key import WantedKey
from tmsd.config.toml import Complaint


class GenerateKey(KeyStep):
    """`generate-key`."""

    do: Literal["generate-key"]

    def complaints(self) -> Iterator[Complaint]:
        """Yield a complaint where nobody else would have a key that somebody else should."""
        yield from super().complaints()
        if self.purpose.is_of_zone:
            yield Complaint(
                ("purpose",), "must be another: a zone master key comes of components (import-key)"
            )

    def said(self) -> Iterator[str]:
        """Yield what is generated."""
        yield f"Generate {self.described}."
        yield from self.said_of_backup()

    def perform(self, room: Room) -> Facts:
        """Generate it."""
        with room.token() as token:
            return self.facts(generate_key(token, self.key))

    def found(self, room: Room) -> Facts | None:
        """Return the key that is there."""
        return self.found_in_token(room)


def generate_key(token: Token, key: WantedKey) -> DescribedKey:
    """Generate a key: for triple DES of three keys, of two where it is the cards' own.

    Args:
        token: opened writable.
        key: what to make.

    Raises:
        KeyExists: the label and version are taken.
        HsmError: the token refuses.
    """
    made = importing.generate_key(token, key.reference, key.token_shapes[0], key.template)
    return describe(key.reference, made)
