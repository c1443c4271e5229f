"""Why a key is not destroyed: rules by names, which officers and minutes see."""

from enum import StrEnum

from tmsd.ceremony.refusal import Refused


class DestructionRule(StrEnum):
    """Why a key stays; docs/ceremonies.md explains each."""

    KEY_NOT_THE_EXPECTED = "key-not-the-expected"
    KEY_IN_USE = "key-in-use"
    KEY_HELD = "key-held"
    CARDS_NOT_THE_APPROVED = "cards-not-the-approved"
    KEY_USERS_UNKNOWN = "key-users-unknown"


class DestructionRefused(Refused):
    """A rule forbids to destroy the key.

    Attributes:
        rule: which one.
    """

    def __init__(self, rule: DestructionRule, words: str) -> None:
        super().__init__(f"{rule}: {words}")
        self.rule = rule
