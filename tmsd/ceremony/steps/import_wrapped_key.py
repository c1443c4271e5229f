"""Step: import a key that a card maker wrapped, by AES key wrap or for an RSA key pair."""

from collections.abc import Iterator
from typing import Annotated, Literal

from hsm import importing
from hsm.errors import KeyUnsuitable, WrappedKeyInvalid
from hsm.keys import KeyShape, TokenKey
from hsm.token import Token
from hsm.unwrapping import (
    WrappedForm,
    WrappedKey,
    is_found_again,
    keep_unwrapped,
    read_unwrapped,
    wrapped_check_value,
    wrapped_length,
)
from hsm.unwrapping_pairs import find_unwrapping_pair
from tmsd.ceremony.described_key import DescribedKey
from tmsd.ceremony.made_up_keys import made_up_wrapped_key
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.ceremony.wanted_key import Purpose
from tmsd.ceremony.weak_key import weakness_by_check_value
from tmsd.ceremony.wrapped_key_refusal import WrappedKeyRefused, WrappedKeyRule
from tmsd.ceremony.wrapped_key_step import WrappedKeyStep
from tmsd.config.table import TOML
from tmsd.config.toml import Complaint

_EXCEPTION = "the key was in the clear in memory, as the token does not keep one that it unwraps"


class ImportWrappedKey(WrappedKeyStep):
    """`import-wrapped-key`.

    Attributes:
        form: how the key was wrapped.
    """

    do: Literal["import-wrapped-key"]
    form: Annotated[WrappedForm, TOML]

    def complaints(self) -> Iterator[Complaint]:
        """Yield a complaint where nothing would show from whom the key is."""
        yield from super().complaints()
        if self.form.is_rsa and self.file_sha256 is None:
            yield Complaint(
                ("file_sha256",), "must be there: for a public key anybody can wrap a key"
            )

    def said(self) -> Iterator[str]:
        """Yield what is imported, and how it came."""
        zone_key = "key pair " if self.form.is_rsa else ""
        yield f"Import {self.described},"
        yield f"which came in {self.file}, wrapped by {self.form} under {zone_key}{self._zone}."
        yield from self.said_of_expected()
        if self._is_for_hmac:
            yield "It is filled up in this program's memory, where it is in the clear then."
        else:
            yield "It is unwrapped in the token. Of a token that does not keep the length of such a"
            yield "key it is read for a moment and put back, and in the clear in this program's"
            yield "memory then: the minutes name that as an exception."

    def perform(self, room: Room) -> Facts:
        """Look at it in the token, and keep it once it is what was expected."""
        with room.token() as token:
            importing.require_absent(token, self.key.reference)
            try:
                wrapped = self._wrapped(room, token)
                shape = self.shape_of(wrapped_length(token, wrapped), wrapped.unwrapping.shape)
                exception = self._exception(token, wrapped, shape)
                made = self._kept(room, token, wrapped, shape, in_memory=bool(exception))
            except WrappedKeyInvalid as invalid:
                raise WrappedKeyRefused(WrappedKeyRule.FORGED, str(invalid)) from invalid
        return self._facts(self.facts(made), wrapped, exception)

    def found(self, room: Room) -> Facts | None:
        """Return the key that is there."""
        facts = self.found_as_expected(room)
        if facts is None:
            return None
        with room.token() as token:
            wrapped = self._wrapped(room, token)
            shape = self.shape_of(wrapped_length(token, wrapped), wrapped.unwrapping.shape)
            return self._facts(facts, wrapped, self._exception(token, wrapped, shape))

    @property
    def _zone(self) -> str:
        return f"{self.zone_key!r} version {self.zone_key_version}"

    @property
    def _is_for_hmac(self) -> bool:
        return self.key.purpose is Purpose.HMAC_MASTER

    def _wrapped(self, room: Room, token: Token) -> WrappedKey:
        unwrapping = self._unwrapping(token)
        if room.rehearsal:
            return made_up_wrapped_key(room, token, self, self.form, unwrapping)
        return WrappedKey(self.form, unwrapping, self.read(room))

    def _unwrapping(self, token: Token) -> TokenKey:
        """Return the key under which it came.

        Raises:
            WrappedKeyRefused: `zone-key-unfit`.
            HsmError: it is not in the token.
        """
        try:
            if self.form.is_rsa:
                return find_unwrapping_pair(token, self.zone_reference).private
            key = token.find_key(self.zone_reference)
        except KeyUnsuitable as unfit:
            raise WrappedKeyRefused(WrappedKeyRule.ZONE_KEY_UNFIT, str(unfit)) from unfit
        if not (key.shape.is_aes and key.may("unwrap_key")):
            raise WrappedKeyRefused(
                WrappedKeyRule.ZONE_KEY_UNFIT, f"{self.zone_reference} is no zone-master of AES"
            )
        return key

    def _exception(self, token: Token, wrapped: WrappedKey, shape: KeyShape) -> str | None:
        """Return why the key will have been in this process's memory, if it will."""
        if self._is_for_hmac:
            return "the key was in the clear in memory while it was filled up for HMAC"
        if is_found_again(token, wrapped, shape, self.key.template):
            return None
        return _EXCEPTION

    def _kept(
        self, room: Room, token: Token, wrapped: WrappedKey, shape: KeyShape, *, in_memory: bool
    ) -> DescribedKey:
        if in_memory:
            return self.keep_value(room, token, read_unwrapped(token, wrapped, shape), shape)
        check_value = wrapped_check_value(token, wrapped, shape)
        self.require_expected(room, check_value)
        if weak := weakness_by_check_value(token, self.key, shape, check_value):
            raise WrappedKeyRefused(WrappedKeyRule.WEAK, f"it is {weak}")
        keep_unwrapped(token, wrapped, self.key.reference, shape, self.key.template)
        return DescribedKey(self.key.reference, shape, check_value)

    def _facts(self, facts: Facts, wrapped: WrappedKey, exception: str | None) -> Facts:
        told = {"form": str(self.form)} | ({"exception": exception} if exception else {})
        return {**self.facts_of_wrapped(facts, wrapped.content), **told}
