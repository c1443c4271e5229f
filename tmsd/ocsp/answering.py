"""Which answer a request gets: the one that was signed last, if it still holds (RFC 6960, 2.2).

A certificate that was never issued, and a CA that is not ours, are `unauthorized` (RFC 5019,
2.2.3), never `good`. An answer that has run out is not repeated. A nonce is passed over, unless
there is somebody who signs it.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from cryptography import x509

from tmsd import clock
from tmsd.ocsp.published import Crl, CrlName, Published, Unavailable
from tmsd.x509.ocsp import (
    CertIdDigest,
    OcspRefused,
    Period,
    Refusal,
    issuer_id,
    parse_request,
    period_of,
)
from tmsd.x509.ocsp_nonces import MAX_NONCE

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Told:
    """An answer (DER), and when others may repeat it.

    At no time where it is a refusal, or one for somebody who sent a nonce.
    """

    der: bytes
    period: Period | None = None


class NonceSigner(Protocol):
    """Who signs answers with nonces."""

    async def sign(self, ca: str, nonce: bytes, answer: bytes) -> bytes | None:
        """Return an answer (DER) of a CA with a nonce of 1 to `MAX_NONCE` bytes.

        None where it cannot be had now.
        """


class Answering:
    """Answers for some CAs.

    Args:
        cas: their certificates, by their names in the policy.
        published: what was signed for them.
        nonces: signs nonces; None: they are passed over (RFC 5019, 4).
    """

    def __init__(
        self,
        cas: Mapping[str, x509.Certificate],
        published: Published,
        nonces: NonceSigner | None = None,
    ) -> None:
        self._published = published
        self._nonces = nonces
        self._names = {
            issuer_id(certificate, digest): name
            for name, certificate in cas.items()
            for digest in CertIdDigest
        }
        self._crls: dict[CrlName, Crl] = {}
        self._reading: defaultdict[CrlName, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def answer(self, request: bytes) -> Told:
        """Return what a request (DER) is answered; any request is answered somehow."""
        try:
            return await self._answer(request)
        except OcspRefused as refused:
            return Told(refused.refusal.der)
        except Unavailable as unavailable:
            LOG.error("%s", unavailable)
            return Told(Refusal.TRY_LATER.der)
        except Exception:
            LOG.exception("a request failed")
            return Told(Refusal.INTERNAL_ERROR.der)

    async def _answer(self, request: bytes) -> Told:
        asked = parse_request(request)
        nonce = asked.nonce if self._nonces else None
        if nonce is not None and not 0 < len(nonce) <= MAX_NONCE:
            raise OcspRefused(Refusal.MALFORMED_REQUEST, f"a nonce has 1 to {MAX_NONCE} bytes")
        about = asked.certificate
        ca = self._names.get(about.issuer)
        if ca is None:
            raise OcspRefused(Refusal.UNAUTHORIZED, "no CA of ours")
        signed = await self._published.answer(ca, about.serial_number, about.issuer.digest)
        if signed is None:
            raise OcspRefused(Refusal.UNAUTHORIZED, "no certificate of ours")
        period = period_of(signed)
        if not _holds(period):
            raise OcspRefused(Refusal.TRY_LATER, "the answer has run out")
        if nonce is None or self._nonces is None:
            return Told(signed, period)
        # One who does not insist has an answer in any case (RFC 6960, 4.4.1); no cache keeps it,
        # so that one who does can ask again.
        return Told(await self._nonces.sign(ca, nonce, signed) or signed)

    async def crl(self, name: CrlName) -> Crl | None:
        """Return the newest CRL of a name; None where there is none.

        A CRL of a million entries is too long to be read for each request: the last one of each
        name is kept, and used as long as the store has no newer one.

        Raises:
            Unavailable: the store cannot be read, or the CRL has run out.
        """
        number = await self._published.crl_number(name)
        if number is None:
            return None
        # Those who come for a new one at once wait for one reading, and share what was read.
        async with self._reading[name]:
            crl = self._crls.get(name)
            if crl is None or crl.number != number:
                crl = await self._published.crl(name)
                if crl is None:
                    return None
                self._crls[name] = crl
        if not _holds(crl.period):
            raise Unavailable(f"CRL {crl.number} of {name} has run out")
        return crl


def _holds(period: Period) -> bool:
    return period.this_update <= clock.now() < period.next_update
