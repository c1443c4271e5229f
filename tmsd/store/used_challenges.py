"""The table of used challenges: which tickets were used, as long as they could be used again."""

from sqlalchemy import Connection, delete, func, select, text

from tmsd.store.prepared import Prepared
from tmsd.store.tables import USED_CHALLENGES

_DIGEST, _EXPIRES = USED_CHALLENGES.c.digest, USED_CHALLENGES.c.expires_ms

# Both kinds know these words. It is run for each channel, where a savepoint of its own would count.
_USE = Prepared(
    text(
        "INSERT INTO used_challenges (digest, expires_ms) VALUES (:digest, :expires_ms)"
        " ON CONFLICT DO NOTHING"
    )
)


def use(connection: Connection, digest: bytes, expires_ms: int) -> bool:
    """Remember a ticket; say whether it was new.

    Args:
        connection: within a transaction.
        digest: SHA-256 of the ticket, 32 bytes.
        expires_ms: when it can be forgotten, in milliseconds of Unix time.
    """
    return _USE.run(connection, {"digest": digest, "expires_ms": expires_ms}).rowcount == 1


def forget_expired(connection: Connection, now_ms: int) -> int:
    """Forget what has expired; return how many are remembered still."""
    connection.execute(delete(USED_CHALLENGES).where(now_ms >= _EXPIRES))
    return connection.execute(select(func.count(_DIGEST))).scalar_one()
