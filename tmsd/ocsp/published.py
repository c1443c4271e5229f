"""What the store holds for relying parties: answers and CRLs, signed before anybody asks.

Each question is put to the store anew, so that a revocation is told as soon as it is signed.
"""

import asyncio
import re
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Self

from cryptography import x509
from sqlalchemy import Connection

from tmsd.errors import ServiceError
from tmsd.store import crls, ocsp_answers
from tmsd.store.crls import Scope
from tmsd.store.ocsp_answers import Answer
from tmsd.store.reader import Reader
from tmsd.x509.distribution import WHOLE
from tmsd.x509.ocsp import CertIdDigest, OcspRefused, Period, Refusal

# A name of a CA has no tilde, and a URL may have one (RFC 3986, 2.3).
_NAME = re.compile(r"([a-z0-9][a-z0-9._-]{0,63})(?:~([1-9][0-9]{0,3}))?(~delta)?")
_SERIAL_BITS = 128


class Unavailable(Exception):
    """What was asked for cannot be told now; the text says why, and is for the log alone."""


@dataclass(frozen=True, slots=True)
class _Certificate:
    """A certificate that is asked about; `serial` is 16 bytes."""

    ca: str
    serial: bytes


@dataclass(frozen=True, slots=True)
class CrlName:
    """A CRL as URLs name it: `demo`, `demo~delta`, `demo~7` of a partition, `demo~7~delta`."""

    scope: Scope
    is_delta: bool

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return what a name means; None where it is none."""
        if match := _NAME.fullmatch(text):
            ca, partition, delta = match.groups()
            return cls(Scope(ca, WHOLE if partition is None else int(partition)), delta is not None)
        return None


@dataclass(frozen=True, slots=True)
class Crl:
    """A CRL as it was signed (DER), its SHA-256 in hex, its number, and when it holds."""

    der: bytes
    sha256: str
    number: int
    period: Period


class Published:
    """Reads what was signed last.

    Who asks about certificates while the store is read waits for the next reading, which is for all
    who wait: under load one reading answers many.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._waiting: dict[_Certificate, asyncio.Future[Answer | None]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def answer(self, ca: str, serial_number: int, digest: CertIdDigest) -> bytes | None:
        """Return the newest OCSP answer (DER); None where the CA never issued such a certificate.

        Args:
            ca: its name in the policy.
            serial_number: of the certificate.
            digest: of the certID that the answer repeats.

        Raises:
            OcspRefused: `tryLater`: how the certificate is now is not signed yet.
            Unavailable: the store cannot be read.
        """
        if serial_number.bit_length() > _SERIAL_BITS:
            return None
        found = await self._find(_Certificate(ca, serial_number.to_bytes(_SERIAL_BITS // 8)))
        if found is None:
            return None
        der = found.der if digest is CertIdDigest.SHA_1 else found.der_sha256
        if not found.is_current or der is None:
            raise OcspRefused(Refusal.TRY_LATER, "the new answer is not signed yet")
        return der

    async def crl_number(self, name: CrlName) -> int | None:
        """Return the number of the newest CRL of a name; None where there is none.

        Raises:
            Unavailable: the store cannot be read.
        """
        number = partial(crls.latest_number, scope=name.scope, is_delta=name.is_delta)
        try:
            return await self._reader.run(number)
        except ServiceError as error:
            raise _unreadable(error) from error

    async def crl(self, name: CrlName) -> Crl | None:
        """Return the newest CRL of a name; None where there is none.

        Raises:
            Unavailable: the store cannot be read.
        """
        try:
            return await self._reader.run(partial(_crl, name=name))
        except ServiceError as error:
            raise _unreadable(error) from error

    async def _find(self, certificate: _Certificate) -> Answer | None:
        waiting = self._waiting.get(certificate)
        if waiting is None:
            waiting = self._waiting[certificate] = asyncio.get_running_loop().create_future()
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        # Others may wait for the same: who goes away takes nothing from them.
        return await asyncio.shield(waiting)

    async def _read(self) -> None:
        while self._waiting:
            asked, self._waiting = self._waiting, {}
            try:
                found = await self._reader.run(partial(_find_all, certificates=list(asked)))
            except ServiceError as error:
                for waiting in asked.values():
                    waiting.set_exception(_unreadable(error))
                    waiting.exception()  # whoever asked may have gone
            else:
                for certificate, waiting in asked.items():
                    waiting.set_result(found.get(certificate))
            finally:
                for waiting in asked.values():
                    waiting.cancel()  # does nothing to those that have been told


def _find_all(
    connection: Connection, certificates: list[_Certificate]
) -> dict[_Certificate, Answer]:
    found = {}
    for ca in {certificate.ca for certificate in certificates}:
        serials = [certificate.serial for certificate in certificates if certificate.ca == ca]
        for serial, answer in ocsp_answers.find_all(connection, ca, serials).items():
            found[_Certificate(ca, serial)] = answer
    return found


def _crl(connection: Connection, name: CrlName) -> Crl | None:
    latest = crls.latest_delta if name.is_delta else crls.latest
    found = latest(connection, name.scope)
    if found is None:
        return None
    read = x509.load_der_x509_crl(found.der)
    if read.next_update_utc is None:
        raise ValueError(f"CRL {found.number} has no nextUpdate")
    period = Period(read.last_update_utc, read.next_update_utc)
    return Crl(found.der, sha256(found.der).hexdigest(), found.number, period)


def _unreadable(error: ServiceError) -> Unavailable:
    return Unavailable(f"the store cannot be read: {error.__cause__}")
