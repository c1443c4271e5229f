"""Why a component, or what components combine to, does not count: rules by names."""

from enum import StrEnum

from tmsd.ceremony.refusal import Refused


class ComponentRule(StrEnum):
    """What was broken; docs/ceremonies.md explains each."""

    MALFORMED = "component-malformed"
    TWICE = "component-twice"
    FOREIGN = "component-foreign"
    COMBINED_WRONG = "combined-key-wrong"


class ComponentRefused(Refused):
    """A rule forbids it.

    Attributes:
        rule: which one.
    """

    def __init__(self, rule: ComponentRule, words: str) -> None:
        super().__init__(f"{rule}: {words}")
        self.rule = rule
