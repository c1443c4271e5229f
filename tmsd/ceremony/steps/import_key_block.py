"""Step: import a key that a card maker sent as a TR-31 key block."""

from collections.abc import Iterator
from typing import Literal

from hsm import importing
from hsm.errors import WrappedKeyInvalid
from hsm.key_block import open_key_block
from hsm.keys import TokenKey
from hsm.token import Token
from tmsd.ceremony.key_block import KeyBlock, read_key_block, require_fit, require_version
from tmsd.ceremony.made_up_keys import made_up_key_block
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.ceremony.wrapped_key_refusal import WrappedKeyRefused, WrappedKeyRule
from tmsd.ceremony.wrapped_key_step import WrappedKeyStep

_EXCEPTION = "the key was in the clear in memory while its key block was opened"


class ImportKeyBlock(WrappedKeyStep):
    """`import-key-block`."""

    do: Literal["import-key-block"]

    def said(self) -> Iterator[str]:
        """Yield what is imported, and how it came."""
        yield f"Import {self.described},"
        yield f"which came in {self.file} as a TR-31 key block under {self.zone_reference}."
        yield from self.said_of_expected()
        yield "No token opens key blocks: while it is opened, by keys that the token derives, the"
        yield "key is in the clear in this program's memory."

    def perform(self, room: Room) -> Facts:
        """Look at its header, open it, and keep the key once it is what was expected."""
        with room.token() as token:
            importing.require_absent(token, self.key.reference)
            protection = self._protection(token)
            content = self._content(room, token, protection)
            block = read_key_block(content)
            require_version(block, protection.shape)
            require_fit(block, self.purpose, self.algorithm, self.backup)
            try:
                value = open_key_block(token, protection, block.sealed)
            except WrappedKeyInvalid as invalid:
                raise WrappedKeyRefused(WrappedKeyRule.FORGED, str(invalid)) from invalid
            with value:
                shape = self.shape_of(len(value), protection.shape)
                made = self.keep_value(room, token, value, shape)
        return self._facts(self.facts(made), content, block)

    def found(self, room: Room) -> Facts | None:
        """Return the key that is there."""
        facts = self.found_as_expected(room)
        if facts is None:
            return None
        with room.token() as token:
            content = self._content(room, token, self._protection(token))
        return self._facts(facts, content, read_key_block(content))

    def _protection(self, token: Token) -> TokenKey:
        """Return the key that protects the block.

        Raises:
            WrappedKeyRefused: `zone-key-unfit`.
            HsmError: it is not in the token.
        """
        key = token.find_key(self.zone_reference)
        if key.shape.is_generic or not (key.may("derive_key") and key.may("encrypt")):
            raise WrappedKeyRefused(
                WrappedKeyRule.ZONE_KEY_UNFIT, f"{self.zone_reference} is no key-block-protection"
            )
        return key

    def _content(self, room: Room, token: Token, protection: TokenKey) -> bytes:
        if room.rehearsal:
            return made_up_key_block(room, token, self, protection)
        return self.read(room)

    def _facts(self, facts: Facts, content: bytes, block: KeyBlock) -> Facts:
        return {
            **self.facts_of_wrapped(facts, content),
            "key_block": block.fixed_header,
            "exception": _EXCEPTION,
        }
