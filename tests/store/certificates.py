"""Certificates for tests of the store, which does not look into them."""

import secrets
from dataclasses import replace
from hashlib import sha256

from sqlalchemy import Connection

from tmsd.store.certificates import Request, issue, prepare

DEMO = "demo"
DAY_MS = 86_400_000
NOW_MS = 1_800_000_000_000
DER = b"a certificate"

_REQUEST = Request(
    ca=DEMO,
    serial=bytes(16),
    profile="token-authentication",
    caller="tps-demo",
    subject="CN=Ada Lovelace,O=Example",
    public_key_sha256=bytes(32),
    not_before_ms=NOW_MS,
    not_after_ms=NOW_MS + 365 * DAY_MS,
    partition=0,
    idempotency_key="",
    request_digest=bytes(32),
    prepared=b"sealed",
)


def request(**fields: object) -> Request:
    """Return a request like no other, apart from the fields that are given."""
    serial = secrets.token_bytes(16)
    new = replace(
        _REQUEST,
        serial=serial,
        idempotency_key=serial.hex(),
        request_digest=sha256(serial).digest(),
        public_key_sha256=sha256(serial + b"key").digest(),
    )
    return replace(new, **fields)  # type: ignore[arg-type]  # names are checked when it is called


def issued(connection: Connection, **fields: object) -> Request:
    """Prepare and issue a certificate; return what was requested."""
    wanted = request(**fields)
    prepare(connection, wanted, NOW_MS)
    issue(connection, wanted.ca, wanted.serial, DER, NOW_MS)
    return wanted
