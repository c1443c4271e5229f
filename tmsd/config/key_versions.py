"""[key_sets.NAME.versions] of policy.toml: versions of a master key, and when each is active.

States are those of NIST SP 800-57 part 1 rev. 5, section 7, as far as cards see a difference.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, model_validator

from tmsd.config.table import Table
from tmsd.config.toml import shown

HIGHEST_PUT = 0x7F
"""PUT KEY makes versions 01 to 7F (Card Specification 2.3.1, 11.8.2.3); others are initial."""

_ALWAYS = datetime.min.replace(tzinfo=UTC)
_EXAMPLE = "{ active_from = 2027-01-01T00:00:00Z }"


class VersionState(StrEnum):
    """Whether a version of a master key opens channels."""

    PRE_ACTIVE = "pre-active"
    ACTIVE = "active"
    RETIRED = "retired"


def _in_utc(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise ValueError("must say its zone, as 2027-01-01T00:00:00Z")
    return time.astimezone(UTC)


class MasterKeyVersion(Table):
    """A version: "active", "retired", or { active_from = … }.

    Attributes:
        active_from: until then it opens no channel; None where it always did.
        retired: whether it opens none any more.
    """

    active_from: Annotated[datetime, AfterValidator(_in_utc)] | None = None
    retired: bool = False

    @model_validator(mode="before")
    @classmethod
    def _of_word(cls, value: object) -> Any:  # noqa: ANN401  as pydantic has it
        match value:
            case VersionState.ACTIVE:
                return {}
            case VersionState.RETIRED:
                return {"retired": True}
            case str():
                words = f"{VersionState.ACTIVE}, {VersionState.RETIRED}"
                raise ValueError(f"{shown(value)} is not one of {words}, {_EXAMPLE}")
            case _:
                return value

    def __str__(self) -> str:
        """Return it in words; different ones have different words."""
        word = VersionState.RETIRED if self.retired else VersionState.ACTIVE
        if self.active_from is None:
            return word
        from_then = f"from {self.active_from.isoformat().replace('+00:00', 'Z')}"
        return f"{word}, active {from_then}" if self.retired else f"{word} {from_then}"

    def state(self, now: datetime) -> VersionState:
        """Return what it is at a time (UTC)."""
        if self.retired:
            return VersionState.RETIRED
        if self.active_from is not None and now < self.active_from:
            return VersionState.PRE_ACTIVE
        return VersionState.ACTIVE


Ordered = tuple[tuple[int, MasterKeyVersion], ...]
"""Versions with their numbers, the newest first."""


def newest_first(versions: Mapping[int, MasterKeyVersion]) -> Ordered:
    """Return versions in the order in which cards get them, if they are active.

    First comes the one that became active last; of those without a date, the highest that PUT KEY
    can make.
    """

    def came(version: tuple[int, MasterKeyVersion]) -> tuple[datetime, bool, int]:
        number, known = version
        return known.active_from or _ALWAYS, number <= HIGHEST_PUT, number

    return tuple(sorted(versions.items(), key=came, reverse=True))


def newest_active(versions: Ordered, now: datetime) -> int | None:
    """Return the version that cards get at a time (UTC); None where none is active."""
    for number, version in versions:
        if version.state(now) is VersionState.ACTIVE:
            return number
    return None
