"""Jobs that tests of the store have run."""

from collections.abc import Callable

from sqlalchemy import Connection, text

from tests.store.conftest import Kept

PUT = text("INSERT INTO used_challenges (digest, expires_ms) VALUES (:digest, 0)")


def put(digest: bytes) -> Callable[[Connection], bytes]:
    """Return a job that adds a row, and returns what it added."""

    def job(connection: Connection) -> bytes:
        connection.execute(PUT, {"digest": digest})
        return digest

    return job


def digests(kept: Kept) -> set[object]:
    """Return what is there, as somebody else sees it."""
    return {digest for (digest,) in kept.rows("SELECT digest FROM used_challenges")}
