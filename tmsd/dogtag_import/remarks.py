"""What is said of settings that a policy cannot have, or has only in part."""

from dataclasses import dataclass, field
from enum import StrEnum

from tmsd.plain_text import plain


class Kind(StrEnum):
    """What a remark is about."""

    NOT_MAPPED = "not-mapped"
    """The TKS did something that the policy does not."""
    ASSUMED = "assumed"
    """The file does not say it: a guess stands in the policy."""
    TO_DO = "to-do"
    """The policy is not whole without it."""
    UNKNOWN = "unknown"
    """Nothing is known of this setting."""


@dataclass(frozen=True, slots=True)
class Remark:
    """A remark.

    Attributes:
        kind: what it is about.
        setting: the key in CS.cfg.
        reason: why, and what would be right.
    """

    kind: Kind
    setting: str
    reason: str

    def __str__(self) -> str:
        """Return it in one line that hides nothing."""
        return plain(f"{self.setting}: {self.reason}")


@dataclass(slots=True)
class Remarks:
    """Remarks in the order in which they were said first; none is said twice."""

    said: dict[Remark, None] = field(default_factory=dict)

    def say(self, kind: Kind, setting: str, reason: str) -> None:
        """Add a remark."""
        self.said[Remark(kind, setting, reason)] = None
