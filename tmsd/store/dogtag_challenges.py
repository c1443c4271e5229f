"""The table of challenges that TPSs of Dogtag were given: the ticket of each, until it expires."""

from sqlalchemy import Connection, delete, func, select, text

from tmsd.store.tables import DOGTAG_CHALLENGES

_COLUMNS = DOGTAG_CHALLENGES.c
# Both kinds know these words. Of two equal challenges, unlikely as they are, the later counts.
_PUT = text(
    "INSERT INTO dogtag_challenges (caller, digest, ticket, expires_ms)"
    " VALUES (:caller, :digest, :ticket, :expires_ms)"
    " ON CONFLICT (caller, digest)"
    " DO UPDATE SET ticket = excluded.ticket, expires_ms = excluded.expires_ms"
)


def put(connection: Connection, caller: str, digest: bytes, ticket: bytes, expires_ms: int) -> None:
    """Remember a challenge.

    Args:
        connection: within a transaction.
        caller: who was given it.
        digest: SHA-256 of the challenge, 32 bytes.
        ticket: that proves where it came from, 1 to 256 bytes.
        expires_ms: when it can be forgotten, in milliseconds of Unix time.
    """
    row = {"caller": caller, "digest": digest, "ticket": ticket, "expires_ms": expires_ms}
    connection.execute(_PUT, row)


def find(connection: Connection, caller: str, digest: bytes) -> bytes | None:
    """Return the ticket of a challenge; None where the caller was not given it."""
    ticket: bytes | None = connection.execute(
        select(_COLUMNS.ticket).where(_COLUMNS.caller == caller, _COLUMNS.digest == digest)
    ).scalar_one_or_none()
    return ticket


def forget_expired(connection: Connection, now_ms: int) -> int:
    """Forget what has expired; return how many are remembered still."""
    connection.execute(delete(DOGTAG_CHALLENGES).where(now_ms >= _COLUMNS.expires_ms))
    return connection.execute(select(func.count(_COLUMNS.digest))).scalar_one()
