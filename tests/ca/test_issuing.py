"""Issuing: on record before it is signed, once for each wish, on one node and on several."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection

from tests.ca.asking import issued, named, trail, wish
from tests.site.authority import CA
from tests.site.directory import Site
from tests.site.identities import TPS
from tmsd import clock
from tmsd.ca.finding import find
from tmsd.ca.issuing import issue
from tmsd.ca.service import Certification
from tmsd.config.daemon import load_daemon_config
from tmsd.database import database_place
from tmsd.errors import Code, ServiceError
from tmsd.store import certificates
from tmsd.store.certificates import Record, State
from tmsd.store.store import Store
from tmsd.store.tables import CERTIFICATES
from tmsd.vault.account import Account
from tmsd.vault.certificate_messages import SignCertificate, SignedRequest
from tmsd.vault.message import Answer, Request
from tmsd.vault.pool import Vault

T = TypeVar("T")
A = TypeVar("A", bound=Answer)


class Interrupted(Exception):
    """The front ended here."""


class EndingVault(Vault):
    """The workers of another vault, which are not asked to sign."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def ask(self, request: Request[A], account: Account) -> A:
        if isinstance(request, SignCertificate):
            raise Interrupted
        return await self._vault.ask(request, account)


class EndingStore(Store):
    """Another store, in which nothing is put any more once so many jobs have run."""

    def __init__(self, store: Store, jobs: int) -> None:
        self._store = store
        self._jobs = jobs

    async def run(self, job: Callable[[Connection], T]) -> T:
        self._jobs -= 1
        if self._jobs < 0:
            raise Interrupted
        return await self._store.run(job)


async def prepared(ca: Certification, key: str) -> Record | None:
    def find_by_key(connection: Connection) -> Record | None:
        query = CERTIFICATES.select().where(CERTIFICATES.c.idempotency_key == key)
        row = connection.execute(query).one_or_none()
        return None if row is None else certificates.to_record(row)

    return await ca.reader.run(find_by_key)


async def test_what_is_issued_is_on_record(ca: Certification) -> None:
    certificate = await issued(ca)

    record = await find(ca, named(certificate), trail())
    assert (record.caller, record.state, record.subject) == (TPS, State.ISSUED, "CN=Alice")


async def test_a_wish_that_stopped_before_it_was_signed_goes_on_with_the_same_serial_number(
    ca: Certification,
) -> None:
    wanted = wish()
    with pytest.raises(Interrupted):
        await issued(replace(ca, vault=EndingVault(ca.vault)), wanted)
    record = await prepared(ca, wanted.idempotency_key)
    assert record is not None
    assert record.state is State.PREPARED

    certificate = await issued(ca, wanted)
    assert certificate.serial_number == int.from_bytes(record.serial)


async def test_a_wish_that_stopped_after_it_was_signed_goes_on_with_the_same_certificate(
    ca: Certification,
) -> None:
    wanted = wish()
    # Looked for and prepared, and not recorded once it is signed.
    with pytest.raises(Interrupted):
        await issued(replace(ca, store=EndingStore(ca.store, jobs=2)), wanted)
    record = await prepared(ca, wanted.idempotency_key)
    assert record is not None
    assert record.certificate is None

    certificate = await issued(ca, wanted)
    assert certificate.serial_number == int.from_bytes(record.serial)


async def test_wishes_of_two_nodes_with_one_key_come_to_one_certificate(
    ca: Certification, ca_site: Site
) -> None:
    wanted = wish()
    place = database_place(load_daemon_config(ca_site.configuration).store)
    async with Store.open(place) as store:
        nodes = (ca, replace(ca, store=store))
        answers = await asyncio.gather(*(issued(node, wanted) for node in nodes * 4))
    assert len({each.public_bytes(Encoding.DER) for each in answers}) == 1


async def test_what_was_given_up_is_not_signed(ca: Certification) -> None:
    wanted = wish()
    with pytest.raises(Interrupted):
        await issued(replace(ca, vault=EndingVault(ca.vault)), wanted)
    later = clock.now_ms() + 1
    await ca.store.run(partial(certificates.abandon_before, ms=later))

    asked = trail()
    with pytest.raises(ServiceError, match="another Idempotency-Key") as refused:
        await issue(ca, TPS, wanted, asked)
    assert refused.value.code is Code.IDEMPOTENCY_KEY_REUSED
    assert asked.receipts == []


@pytest.mark.parametrize(
    "changes",
    [
        {"days": 2**40},
        {"days": 10**30},
        {"proof": SignedRequest(b"r" * (16 * 1024 + 1))},
        {"fields": {"common_name": ["a" * 257]}},
        {"fields": {"Common Name": ["a"]}},
        {"fields": {f"f{n}": ["v" * 256] * 64 for n in range(5)}},
    ],
)
async def test_what_a_worker_would_end_over_is_not_asked(
    ca: Certification, changes: dict[str, object]
) -> None:
    wanted = replace(wish(), **changes)  # type: ignore[arg-type]  # names are checked when it is called
    asked = trail()
    with pytest.raises(ServiceError) as refused:
        await issue(ca, TPS, wanted, asked)
    assert refused.value.code is Code.REQUEST_INVALID
    assert asked.receipts == []
    assert await issued(ca), f"the worker of {CA} has ended"
