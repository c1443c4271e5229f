"""A database of either kind: where it is, and its errors."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from tmsd.errors import Code, ServiceError

# SQLSTATEs (PostgreSQL 15, Appendix A) of transactions that lost against another, and may win when
# they are run again: serialization_failure, deadlock_detected, and unique_violation, which section
# 13.5 counts with them: what was in the way can be a row that the transaction could not yet see.
_LOST_AGAINST_ANOTHER = frozenset({"40001", "40P01", "23505"})


@dataclass(frozen=True, slots=True)
class Database:
    """An opened database.

    Attributes:
        engine: its transactions are serializable.
        require_in_place: raises OSError where what is written would not be there at the next start.
    """

    engine: Engine
    require_in_place: Callable[[], None]


class Place(Protocol):
    """Where a database is."""

    def open(self) -> Database:
        """Open the database and upgrade its schema.

        Raises:
            StoreError: it cannot be used, or a later release has made it.
        """
        ...

    def open_to_read(self) -> Database:
        """Open the database; each transaction sees one state of it, and cannot write.

        Raises:
            StoreError: it cannot be used, or does not have this release's schema.
        """
        ...


def reason_of(error: SQLAlchemyError) -> str:
    """Return what the database said in one line, without the statement and its values."""
    origin = getattr(error, "orig", None)
    # What PostgreSQL says about a row is in its details, which are left out.
    primary = getattr(getattr(origin, "diag", None), "message_primary", None)
    return " ".join(str(primary or origin or type(error).__name__).split())


def unavailable() -> ServiceError:
    """Return the refusal of what needs a database that cannot be used."""
    return ServiceError(
        Code.STORE_UNAVAILABLE, "what was asked could not be remembered; ask again later"
    )


def lost_against_another(error: SQLAlchemyError) -> bool:
    """Tell whether a transaction can be run again, since only another was in its way.

    It is certain then that nothing of it was committed.
    """
    return getattr(getattr(error, "orig", None), "sqlstate", None) in _LOST_AGAINST_ANOTHER
