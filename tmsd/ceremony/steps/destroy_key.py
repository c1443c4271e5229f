"""Step: destroy a key for good, after saying which one it is, and once nobody uses it."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from hsm import importing
from hsm.keys import KeyReference
from hsm.token import Token
from tmsd.ceremony.described_key import DescribedKey, Kcv, describe
from tmsd.ceremony.destruction_refusal import DestructionRefused, DestructionRule
from tmsd.ceremony.key_users import KeyUsers, users_in_ceremony
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts, Step
from tmsd.ceremony.wanted_key import WantedKey
from tmsd.config.reserved_keys import KeyLabel

_CARDS = "cards_last_seen"


class DestroyKey(Step):
    """`destroy-key`.

    Attributes:
        label: of the key in the token.
        version: 1 to 255.
        kcv: its check value, 6 lower-case hex digits; None for a key that has none.
    """

    do: Literal["destroy-key"]
    label: KeyLabel
    version: Annotated[int, Field(ge=1, le=255)]
    kcv: Kcv | None = None

    @property
    def reference(self) -> KeyReference:
        """The name that the key has in the token."""
        return KeyReference(self.label, self.version)

    def said(self) -> Iterator[str]:
        """Yield what is destroyed."""
        known = f"KCV {self.kcv}" if self.kcv else "which has no KCV"
        yield f"Destroy {self.reference}, {known}, for good."
        yield "Nothing of it is left in the token, and nobody is served with it any more."

    def also_asked(self, room: Room) -> Facts:
        """Return the cards that were last seen with it, once the policy has no use for it."""
        users = self._users(room)
        return {} if users is None else {_CARDS: users.cards_on(self.reference).told}

    def perform(self, room: Room) -> Facts:
        """Destroy it, once its check value is what the script expects and all have dropped it."""
        users = self._users(room)
        if users is not None:
            users.require_dropped(self.reference, room.people.tell)
            self._require_approved_cards(users, room)
        with room.token() as token:
            self._require_expected(token, room)
            importing.destroy_key(token, self.reference)
        return self._facts(room)

    def found(self, room: Room) -> Facts | None:
        """Return that it is gone."""
        with room.token() as token:
            return None if token.find_keys(self.reference) else self._facts(room)

    def _users(self, room: Room) -> KeyUsers | None:
        """Return who may use the token's keys, and not this one any more; None for nobody.

        Raises:
            DestructionRefused: `key-not-the-expected`, `key-in-use`, `key-users-unknown`.
            ApprovalRefused, HsmError: as users_in_ceremony does.
        """
        with room.token() as token:
            self._require_expected(token, room)
            users = users_in_ceremony(token, room.binding.configuration)
        if users is not None:
            users.require_out_of_use(self.reference)
        return users

    def _require_approved_cards(self, users: KeyUsers, room: Room) -> None:
        found, approved = users.cards_on(self.reference).told, room.approved.get(_CARDS)
        if found != approved:
            raise DestructionRefused(
                DestructionRule.CARDS_NOT_THE_APPROVED,
                f"last seen with it are now {found}, and officers were told of {approved}",
            )

    def _require_expected(self, token: Token, room: Room) -> None:
        there = describe(self.reference, token.find_key(self.reference))
        kcv = there.check_value.hex() if there.check_value is not None else None
        # The key of a rehearsal is made up, and so is its check value.
        if kcv != self.kcv and not room.rehearsal:
            raise DestructionRefused(
                DestructionRule.KEY_NOT_THE_EXPECTED,
                f"{self.reference} has {_said(kcv)}, and the script expects {_said(self.kcv)}",
            )

    def _facts(self, room: Room) -> Facts:
        facts: dict[str, str | int | bool] = {"destroyed": f"{self.label}:{self.version}"}
        if self.kcv:
            facts["kcv"] = self.kcv
        if (cards := room.approved.get(_CARDS)) is not None:
            facts[_CARDS] = cards
        return facts


def _said(kcv: str | None) -> str:
    return f"the KCV {kcv}" if kcv else "no KCV"


def find_key(token: Token, key: WantedKey) -> DescribedKey:
    """Describe the key that would be destroyed.

    Raises:
        KeyNotFound: it is not in the token, or it is there twice.
        HsmError: the token refuses.
    """
    return describe(key.reference, token.find_key(key.reference))


def destroy_key(token: Token, key: WantedKey) -> DescribedKey:
    """Destroy the key, and return what it was.

    Args:
        token: opened writable.
        key: which one.

    Raises:
        KeyNotFound: it is not in the token, or it is there twice.
        HsmError: the token refuses.
    """
    described = find_key(token, key)
    importing.destroy_key(token, key.reference)
    return described
