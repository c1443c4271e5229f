"""A process that prepares, issues and revokes until it is killed, and tells what was answered.

Of each certificate it prints a line once the store has answered: the step and the serial number.
"""

import asyncio
import sys
from functools import partial
from pathlib import Path

from sqlalchemy import Connection

from tests.store.certificates import DEMO, NOW_MS, request
from tmsd.store.certificates import Reason, Revocation, issue, open_authority, prepare
from tmsd.store.database import Place
from tmsd.store.postgresql import PostgresqlServer
from tmsd.store.revocation import revoke
from tmsd.store.sqlite import SqliteFile
from tmsd.store.store import Store


async def main(place: Place) -> None:
    """Go on until killed."""
    async with Store.open(place) as store:
        await store.run(partial(open_authority, ca=DEMO))
        await asyncio.gather(*(_one_after_another(store) for _ in range(4)))


async def _one_after_another(store: Store) -> None:
    while True:
        wanted = request()
        serial = wanted.serial
        await store.run(partial(prepare, request=wanted, now_ms=NOW_MS))
        _tell("prepared", serial)
        await store.run(partial(issue, ca=DEMO, serial=serial, certificate=serial, now_ms=NOW_MS))
        _tell("issued", serial)
        await store.run(partial(_revoke, serial))
        _tell("revoked", serial)


def _tell(step: str, serial: bytes) -> None:
    sys.stdout.write(f"{step} {serial.hex()}\n")
    sys.stdout.flush()


def _revoke(serial: bytes, connection: Connection) -> None:
    revoke(connection, DEMO, serial, Revocation(NOW_MS, Reason.KEY_COMPROMISE))


if __name__ == "__main__":
    where = sys.argv[1]
    is_url = where.startswith("postgresql:")
    asyncio.run(main(PostgresqlServer(where) if is_url else SqliteFile(Path(where))))
