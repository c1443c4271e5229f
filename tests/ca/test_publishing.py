"""CRLs and OCSP answers: what they say is what is on record, whatever clocks said."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import pytest
from cryptography import x509
from cryptography.x509 import ocsp
from sqlalchemy import Connection

from tests.ca.asking import issued, named, revoked, trail
from tests.site.authority import CA
from tmsd import clock
from tmsd.ca.publishing import answer_due, latest_crl, publish_crl
from tmsd.ca.service import Certification
from tmsd.errors import Code, ServiceError
from tmsd.store import ocsp_answers, revocation
from tmsd.store.certificates import Reason, Revocation
from tmsd.store.crls import Scope
from tmsd.store.reader import Reader

T = TypeVar("T")
AN_HOUR_MS = 3_600_000


class SlowReader(Reader):
    """Another reader, whose jobs do not end before they may."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.begun, self.may_end = threading.Event(), threading.Event()

    async def run(self, job: Callable[[Connection], T]) -> T:
        def slow(connection: Connection) -> T:
            result = job(connection)
            self.begun.set()
            assert self.may_end.wait(30)
            return result

        return await self._reader.run(slow)


async def crl(ca: Certification, **kind: bool) -> x509.CertificateRevocationList:
    published = await publish_crl(ca, Scope(CA), trail("ca.crl"), **kind)
    return x509.load_der_x509_crl(published.der)


def number(published: x509.CertificateRevocationList) -> int:
    return published.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


async def test_a_crl_has_what_is_revoked_and_a_delta_what_is_new(ca: Certification) -> None:
    first, second = [await issued(ca) for _ in range(2)]
    await revoked(ca, first)
    whole = await crl(ca)
    await revoked(ca, second)
    delta = await crl(ca, delta=True)

    assert [entry.serial_number for entry in whole] == [first.serial_number]
    assert [entry.serial_number for entry in delta] == [second.serial_number]
    base = delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value
    assert base.crl_number == number(whole) == number(delta) - 1


async def test_a_delta_without_a_base_is_refused(ca: Certification) -> None:
    with pytest.raises(ServiceError) as refused:
        await crl(ca, delta=True)
    assert refused.value.code is Code.CRL_UNKNOWN


async def test_a_crl_is_handed_out_unless_it_is_for_the_responder_to_do_so(
    ca: Certification, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServiceError) as refused:
        await latest_crl(ca, CA, trail("ca.crl"))
    assert refused.value.code is Code.CRL_UNKNOWN
    published = await publish_crl(ca, Scope(CA), trail("ca.crl"))
    monkeypatch.setattr("tmsd.ca.publishing.LARGEST_GIVEN", len(published.der))
    assert await latest_crl(ca, CA, trail("ca.crl")) == published
    monkeypatch.setattr("tmsd.ca.publishing.LARGEST_GIVEN", len(published.der) - 1)
    with pytest.raises(ServiceError, match=r"get it from http://pki\.example/demo\.crl") as refused:
        await latest_crl(ca, CA, trail("ca.crl"))
    assert refused.value.code is Code.CRL_TOO_LARGE


async def test_a_crl_that_is_read_for_long_keeps_nobody_from_writing(ca: Certification) -> None:
    certificate = await issued(ca)
    slow = SlowReader(ca.reader)
    publishing = asyncio.create_task(crl(replace(ca, reader=slow)))
    try:
        assert await asyncio.to_thread(slow.begun.wait, 30)
        await revoked(ca, certificate)
    finally:
        slow.may_end.set()
    assert len(await publishing) == 0
    assert len(await crl(ca)) == 1


async def test_a_crl_that_a_later_one_overtook_is_not_published(ca: Certification) -> None:
    slow = SlowReader(ca.reader)
    overtaken = asyncio.create_task(crl(replace(ca, reader=slow)))
    assert await asyncio.to_thread(slow.begun.wait, 30)
    later = await crl(ca, is_scheduled=True)
    slow.may_end.set()

    with pytest.raises(ServiceError) as refused:
        await overtaken
    assert refused.value.code is Code.STATUS_CONFLICT
    assert number(later) == 2


async def test_what_a_clock_that_was_ahead_revoked_is_told_as_revoked_now(
    ca: Certification,
) -> None:
    certificate = await issued(ca)
    ahead = Revocation(clock.now_ms() + AN_HOUR_MS, Reason.SUPERSEDED, clock.now_ms() + 1000)
    serial = named(certificate).serial_number
    await ca.store.run(partial(revocation.revoke, ca=CA, serial=serial, revocation=ahead))

    (entry,) = await crl(ca)
    assert entry.serial_number == certificate.serial_number
    assert await answer_due(ca, CA, trail("ca.answer")) == 1
    assert (await status(ca, serial)) is ocsp.OCSPCertStatus.REVOKED


async def test_answers_are_signed_once_until_something_changes(ca: Certification) -> None:
    certificate = await issued(ca)
    serial = named(certificate).serial_number
    counts = [await answer_due(ca, CA, trail("ca.answer")) for _ in range(2)]
    assert counts == [1, 0]
    assert (await status(ca, serial)) is ocsp.OCSPCertStatus.GOOD

    await revoked(ca, certificate)
    assert await answer_due(ca, CA, trail("ca.answer")) == 1
    assert (await status(ca, serial)) is ocsp.OCSPCertStatus.REVOKED


async def status(ca: Certification, serial: bytes) -> ocsp.OCSPCertStatus:
    answer = await ca.reader.run(partial(ocsp_answers.find, ca=CA, serial=serial))
    assert answer is not None
    assert answer.is_current
    assert answer.der is not None
    return ocsp.load_der_ocsp_response(answer.der).certificate_status
