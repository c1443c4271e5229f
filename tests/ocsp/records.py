"""A CA named `demo`, and a database of what it has issued, revoked and signed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection

from tests.x509.authority import Authority, authority
from tests.x509.issuing import key_of
from tmsd.ocsp.published import CrlName
from tmsd.store import certificates, crls, ocsp_answers, revocation
from tmsd.store.certificates import Reason, Request
from tmsd.store.database import Place
from tmsd.store.store import Store
from tmsd.x509.crl import Bounds, Entry, Heading, builder
from tmsd.x509.ocsp import (
    CertId,
    CertIdDigest,
    Period,
    Revocation,
    delegated,
    issuer_id,
    sign_answer,
)
from tmsd.x509.public_keys import KeyKind

DEMO = "demo"
DATABASE = "tmsd.db"
HOUR = timedelta(hours=1)
KEY = key_of(KeyKind.P_256, "responder")
"""The responder's, which signs answers before anybody asks."""


@dataclass(frozen=True, slots=True)
class Records:
    """What the daemon of a site does to its database.

    Attributes:
        ca: the CA.
        place: of the database.
        store: the database, opened to write.
    """

    ca: Authority
    place: Place
    store: Store

    async def issue(self) -> x509.Certificate:
        """Issue a certificate; no answer about it is signed yet."""
        certificate = self.ca.issue()
        der = certificate.public_bytes(Encoding.DER)
        serial = _serial(certificate)
        request = Request(
            ca=DEMO,
            serial=serial,
            profile="tls-client",
            caller="ra",
            subject=certificate.subject.rfc4514_string(),
            public_key_sha256=sha256(serial).digest(),
            not_before_ms=_ms(certificate.not_valid_before_utc),
            not_after_ms=_ms(certificate.not_valid_after_utc),
            partition=0,
            idempotency_key=serial.hex(),
            request_digest=sha256(der).digest(),
            prepared=b"sealed",
        )
        now_ms = _ms(self.ca.now)
        await self.store.run(partial(certificates.open_authority, ca=DEMO))
        await self.store.run(partial(certificates.prepare, request=request, now_ms=now_ms))
        issue = partial(certificates.issue, ca=DEMO, serial=serial, certificate=der, now_ms=now_ms)
        await self.store.run(issue)
        return certificate

    async def issue_and_answer(
        self, *, since: datetime | None = None, lasting: timedelta = HOUR
    ) -> x509.Certificate:
        """Issue a certificate, and sign the answers that it is good."""
        certificate = await self.issue()
        await self.answer(certificate, since=since, lasting=lasting)
        return certificate

    async def revoke(self, certificate: x509.Certificate, reason: Reason) -> None:
        """Revoke a certificate; no new answer about it is signed yet."""
        revoked = certificates.Revocation(_ms(self.ca.now), reason)
        await self.store.run(
            partial(revocation.revoke, ca=DEMO, serial=_serial(certificate), revocation=revoked)
        )

    async def hold(self, certificate: x509.Certificate) -> None:
        """Put a certificate on hold; no new answer about it is signed yet."""
        serial, since_ms = _serial(certificate), _ms(self.ca.now)
        await self.store.run(partial(revocation.hold, ca=DEMO, serial=serial, since_ms=since_ms))

    async def answer(
        self,
        certificate: x509.Certificate,
        *,
        since: datetime | None = None,
        lasting: timedelta = HOUR,
    ) -> None:
        """Sign the answers about a certificate by either hash, as it stands in the database."""
        serial = _serial(certificate)
        record = await self.store.run(partial(certificates.find, ca=DEMO, serial=serial))
        assert record is not None
        begin = since or self.ca.now
        responder = self.ca.issue("ocsp-signing", KEY.public_key())
        by_digest = {
            digest: sign_answer(
                delegated(responder, self.ca.certificate),
                KEY,
                CertId(issuer_id(self.ca.certificate, digest), certificate.serial_number),
                _told(record.revocation, self.ca.now),
                Period(begin, begin + lasting),
            )
            for digest in CertIdDigest
        }
        signed = ocsp_answers.Signed(
            serial=serial,
            changed=record.changed,
            this_update_ms=_ms(begin),
            next_update_ms=_ms(begin + lasting),
            der=by_digest[CertIdDigest.SHA_1],
            next_due_ms=None,
            der_sha256=by_digest[CertIdDigest.SHA_256],
        )
        assert await self.store.run(partial(ocsp_answers.record, ca=DEMO, answers=[signed])) == 1

    async def publish(
        self, name: str, *entries: Entry, lasting: timedelta = HOUR
    ) -> x509.CertificateRevocationList:
        """Sign the next CRL of a name, record it, and return it."""
        parsed = CrlName.parse(name)
        assert parsed is not None
        begin, end = self.ca.now, self.ca.now + lasting
        await self.store.run(partial(certificates.open_authority, ca=DEMO))
        begun = await self.store.run(partial(_begin, name=parsed, begin=begin, end=end))
        base_number = begun.base.number if begun.base else None
        heading = Heading(begun.number, begin, end, base_number=base_number)
        bounds = Bounds(self.ca.now, lasting, most_entries=10**6)
        unsigned = builder(self.ca.issuer, heading, entries, bounds)
        crl = self.ca.scheme.sign_crl(unsigned, self.ca.key)
        der = crl.public_bytes(Encoding.DER)
        await self.store.run(
            partial(
                crls.publish,
                scope=parsed.scope,
                number=begun.number,
                der=der,
                now_ms=_ms(self.ca.now),
            )
        )
        return crl


@asynccontextmanager
async def recording(place: Place) -> AsyncIterator[Records]:
    """Open a new database until left."""
    async with Store.open(place) as store:
        yield Records(authority(), place, store)


def _begin(connection: Connection, name: CrlName, begin: datetime, end: datetime) -> crls.Begun:
    if name.is_delta:
        return crls.begin_delta(connection, name.scope, _ms(begin), _ms(end))
    return crls.begin(connection, name.scope, _ms(begin), _ms(end), is_scheduled=True)


def _serial(certificate: x509.Certificate) -> bytes:
    return certificate.serial_number.to_bytes(16)


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _told(revoked: certificates.Revocation | None, now: datetime) -> Revocation | None:
    return Revocation(now, x509.ReasonFlags(revoked.reason)) if revoked else None
