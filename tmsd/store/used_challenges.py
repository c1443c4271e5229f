"""The table of used challenges: which tickets were used, as long as they could be used again."""

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from tmsd.store.tables import USED_CHALLENGES

_DIGEST, _EXPIRES = USED_CHALLENGES.c.digest, USED_CHALLENGES.c.expires_ms


def use(connection: Connection, digest: bytes, expires_ms: int) -> bool:
    """Remember a ticket; say whether it was new.

    Args:
        connection: within a transaction.
        digest: SHA-256 of the ticket, 32 bytes.
        expires_ms: when it can be forgotten, in milliseconds of Unix time.
    """
    try:
        with connection.begin_nested():
            connection.execute(insert(USED_CHALLENGES).values(digest=digest, expires_ms=expires_ms))
    except IntegrityError:
        return False
    return True


def forget_expired(connection: Connection, now_ms: int) -> int:
    """Forget what has expired; return how many are remembered still."""
    connection.execute(delete(USED_CHALLENGES).where(now_ms >= _EXPIRES))
    return connection.execute(select(func.count(_DIGEST))).scalar_one()
