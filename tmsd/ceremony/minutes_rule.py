"""The rules that minutes can break, and how a fact of a record is read."""

from base64 import b64decode
from enum import StrEnum

from tmsd.audit.record import Record


class Rule(StrEnum):
    """What is wrong with minutes; docs/ceremonies.md explains each."""

    CHAIN_BROKEN = "chain-broken"
    NOT_OPENED = "not-opened"
    OPENED_TWICE = "opened-twice"
    OTHER_CEREMONY = "other-ceremony"
    FACT_MALFORMED = "fact-malformed"
    QUORUM_UNSOUND = "quorum-unsound"
    QUORUM_NOT_THE_PINNED = "quorum-not-the-pinned"
    STEP_OUT_OF_ORDER = "step-out-of-order"
    STEP_NOT_APPROVED = "step-not-approved"
    STEP_NOT_BEGUN = "step-not-begun"
    NOT_CLOSED = "not-closed"
    CLOSED_EARLY = "closed-early"
    AFTER_THE_CLOSE = "after-the-close"
    NOT_ATTESTED = "not-attested"
    NOT_SIGNED = "not-signed"


class RuleBroken(Exception):
    """A line of minutes breaks a rule.

    Attributes:
        rule: which one.
        words: what is wrong there.
    """

    def __init__(self, rule: Rule, words: str) -> None:
        super().__init__(words)
        self.rule = rule
        self.words = words


def text_of(record: Record, name: str) -> str:
    """Return a fact that is text.

    Raises:
        RuleBroken: `fact-malformed`.
    """
    value = record.decision.details.get(name)
    if not isinstance(value, str):
        raise RuleBroken(Rule.FACT_MALFORMED, f"{name} should be text")
    return value


def number_of(record: Record, name: str) -> int:
    """Return a fact that is a number.

    Raises:
        RuleBroken: `fact-malformed`.
    """
    value = record.decision.details.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise RuleBroken(Rule.FACT_MALFORMED, f"{name} should be a number")
    return value


def bytes_of(record: Record, name: str) -> bytes:
    """Return a fact that is bytes in base64.

    Raises:
        RuleBroken: `fact-malformed`.
    """
    try:
        return b64decode(text_of(record, name), validate=True)
    except ValueError:
        raise RuleBroken(Rule.FACT_MALFORMED, f"{name} is no base64") from None
