"""The certificate authority's routes: bodies in, the service's functions, bodies out."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tmsd.api import certificate_bodies as bodies
from tmsd.api.routes import Asked, Route, Serve, Services
from tmsd.audit.trail import Trail
from tmsd.ca import finding, issuing, publishing, revoking
from tmsd.ca.issuing import CertificateWanted
from tmsd.ca.revoking import Named
from tmsd.ca.service import Certification
from tmsd.config.callers import Caller, Role
from tmsd.errors import Code, ServiceError
from tmsd.store.certificates import Reason, Record
from tmsd.store.crls import Published
from tmsd.vault.certificate_messages import CardProof, Proof, SignedRequest

_SERIAL_NUMBER_LENGTH = 16


async def _issue(
    services: Services, caller: Caller, asked: Asked, trail: Trail
) -> bodies.CertificateBody:
    body: bodies.CertificateRequestBody = asked.body
    wanted = CertificateWanted(
        ca=asked.path["ca"],
        profile=body.profile,
        proof=_proof(body),
        fields={
            name: [value] if isinstance(value, str) else value
            for name, value in body.fields.items()
        },
        days=body.days,
        idempotency_key=asked.idempotency_key or "",
    )
    certificate = await issuing.issue(services.ca, caller.name, wanted, trail)
    return bodies.CertificateBody(
        serial_number=certificate.serial_number.to_bytes(_SERIAL_NUMBER_LENGTH),
        certificate=_pem(certificate),
        chain=list(_chain(services, wanted.ca)),
    )


def _proof(body: bodies.CertificateRequestBody) -> Proof:
    if body.proof is not None and body.public_key is not None:
        return CardProof(body.public_key, body.proof.ticket, body.proof.signature)
    return SignedRequest((body.csr or "").encode())


async def _status(
    services: Services, caller: Caller, asked: Asked, trail: Trail
) -> bodies.StatusBody:
    record = await _own(services, caller, asked, trail)
    return _told(record)


async def _revoke(
    services: Services, caller: Caller, asked: Asked, trail: Trail
) -> bodies.StatusBody:
    body: bodies.RevocationBody = asked.body
    since = None if body.invalid_since is None else _milliseconds(body.invalid_since)
    await _own(services, caller, asked, trail)
    await revoking.revoke(services.ca, _named(asked), Reason(body.reason), since, trail)
    return _told(await finding.find(services.ca, _named(asked), trail))


def _without_a_reason(
    change: Callable[[Certification, Named, Trail], Awaitable[object]],
) -> Serve:
    """Return what changes how a certificate is, and tells how it is then."""

    async def served(
        services: Services, caller: Caller, asked: Asked, trail: Trail
    ) -> bodies.StatusBody:
        await _own(services, caller, asked, trail)
        await change(services.ca, _named(asked), trail)
        return _told(await finding.find(services.ca, _named(asked), trail))

    return served


async def _ca_chain(
    services: Services, caller: Caller, asked: Asked, trail: Trail
) -> bodies.ChainBody:
    _require_asker(caller, asked.path["ca"])
    trail.details["ca"] = asked.path["ca"]
    return bodies.ChainBody(chain=list(_chain(services, asked.path["ca"])))


async def _crl(services: Services, caller: Caller, asked: Asked, trail: Trail) -> bodies.CrlBody:
    _require_asker(caller, asked.path["ca"])
    published = await publishing.latest_crl(services.ca, asked.path["ca"], trail)
    # A large one takes a while, in which others are served.
    return await asyncio.to_thread(_crl_body, published)


def _crl_body(published: Published) -> bodies.CrlBody:
    crl = x509.load_der_x509_crl(published.der)
    return bodies.CrlBody(
        crl=crl.public_bytes(Encoding.PEM).decode(),
        number=published.number,
        this_update=_written(crl.last_update_utc),
        next_update=_written(crl.next_update_utc or crl.last_update_utc),
    )


async def _own(services: Services, caller: Caller, asked: Asked, trail: Trail) -> Record:
    """Return a certificate that the caller may see and change: by a profile that is open to it.

    Raises:
        ServiceError: `certificate-unknown`, whether there is none or it is none of the caller's.
    """
    record = await finding.find(services.ca, _named(asked), trail)
    if not caller.may_be_issued(record.ca, record.profile):
        raise ServiceError(
            Code.CERTIFICATE_UNKNOWN, "the CA has issued no certificate of this serial number"
        )
    return record


def _require_asker(caller: Caller, ca: str) -> None:
    if not any(ca == named for named, _ in caller.certified):
        raise ServiceError(Code.CA_UNKNOWN, f"there is no CA {ca!r}")


def _named(asked: Asked) -> Named:
    try:
        serial_number = bytes.fromhex(asked.path["serial_number"])
    except ValueError:
        serial_number = b""
    if len(serial_number) != _SERIAL_NUMBER_LENGTH:
        raise ServiceError(
            Code.CERTIFICATE_UNKNOWN, "a serial number is 16 bytes in lower-case hex"
        )
    return Named(asked.path["ca"], serial_number)


def _told(record: Record) -> bodies.StatusBody:
    if record.certificate is None:
        raise TypeError("the certificate was issued and is not on record")
    revocation = record.revocation
    held = revocation is not None and revocation.reason is Reason.CERTIFICATE_HOLD
    return bodies.StatusBody(
        serial_number=record.serial,
        certificate=_pem(x509.load_der_x509_certificate(record.certificate)),
        profile=record.profile,
        subject=record.subject,
        not_before=_time(record.not_before_ms),
        not_after=_time(record.not_after_ms),
        status="good" if revocation is None else "hold" if held else "revoked",
        revoked_at=None if revocation is None else _time(revocation.revoked_ms),
        reason=None if revocation is None else revocation.reason.value,
    )


def _chain(services: Services, ca: str) -> Iterator[str]:
    return map(_pem, services.ca.authority(ca).chain)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _time(milliseconds: int) -> str:
    return _written(datetime.fromtimestamp(milliseconds // 1000, UTC))


def _written(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _milliseconds(time: str) -> int:
    try:
        return int(datetime.fromisoformat(time).timestamp() * 1000)
    except ValueError:
        raise ServiceError(
            Code.REQUEST_INVALID, "there is no such time", pointer="/invalid_since"
        ) from None


_REFUSALS = (Code.CA_UNKNOWN, Code.STORE_UNAVAILABLE)
_OF_ONE = (*_REFUSALS, Code.CERTIFICATE_UNKNOWN)
_CERTIFICATES = "/v1/ca/{ca}/certificates"
_CERTIFICATE = f"{_CERTIFICATES}/{{serial_number}}"
_ROLES = (Role.TPS, Role.RA)
ROUTES = (
    Route(
        "POST",
        _CERTIFICATES,
        "ca.issue",
        "Issue a certificate by a profile, for a request for signing or a key that a card made.",
        _ROLES,
        bodies.CertificateRequestBody,
        bodies.CertificateBody,
        _issue,
        (
            *_REFUSALS,
            Code.PROFILE_UNKNOWN,
            Code.PROFILE_NOT_ALLOWED,
            Code.ISSUANCE_REFUSED,
            Code.PREPARED_INVALID,
            Code.CHALLENGE_NOT_ISSUED,
            Code.KEY_SET_UNKNOWN,
            Code.KEY_VERSION_UNKNOWN,
            Code.KEY_VERSION_NOT_YET_ACTIVE,
            Code.KEY_VERSION_RETIRED,
            Code.IDEMPOTENCY_KEY_MISSING,
            Code.IDEMPOTENCY_KEY_REUSED,
            Code.KEY_MISSING,
            Code.MECHANISM_UNAVAILABLE,
        ),
        idempotent=True,
        intends=True,
    ),
    Route(
        "GET",
        _CERTIFICATE,
        "ca.certificate",
        "Tell of a certificate and how it is.",
        _ROLES,
        None,
        bodies.StatusBody,
        _status,
        _OF_ONE,
        needs_hsm=False,
    ),
    Route(
        "POST",
        f"{_CERTIFICATE}/revoke",
        "ca.revoke",
        "Revoke a certificate for good.",
        _ROLES,
        bodies.RevocationBody,
        bodies.StatusBody,
        _revoke,
        _OF_ONE,
        needs_hsm=False,
        intends=True,
    ),
    Route(
        "POST",
        f"{_CERTIFICATE}/hold",
        "ca.hold",
        "Put a certificate on hold: it counts as revoked until it is released.",
        _ROLES,
        None,
        bodies.StatusBody,
        _without_a_reason(revoking.hold),
        (*_OF_ONE, Code.STATUS_CONFLICT),
        needs_hsm=False,
        intends=True,
    ),
    Route(
        "POST",
        f"{_CERTIFICATE}/release",
        "ca.release",
        "Release a certificate from hold.",
        _ROLES,
        None,
        bodies.StatusBody,
        _without_a_reason(revoking.release),
        (*_OF_ONE, Code.STATUS_CONFLICT),
        needs_hsm=False,
        intends=True,
    ),
    Route(
        "GET",
        "/v1/ca/{ca}/chain",
        "ca.chain",
        "Give the certificates of a CA and of its issuers.",
        _ROLES,
        None,
        bodies.ChainBody,
        _ca_chain,
        (Code.CA_UNKNOWN,),
        needs_hsm=False,
    ),
    Route(
        "GET",
        "/v1/ca/{ca}/crl",
        "ca.crl",
        "Give the CRL that was signed last.",
        _ROLES,
        None,
        bodies.CrlBody,
        _crl,
        (*_REFUSALS, Code.CRL_UNKNOWN, Code.CRL_TOO_LARGE),
        needs_hsm=False,
    ),
)
