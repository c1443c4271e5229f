"""The calls of a certificate authority, one function each."""

from datetime import UTC, datetime
from typing import Any

from tmsd.client import fields
from tmsd.client.certificates import (
    CardKey,
    CertificateStatus,
    Crl,
    IssuedCertificate,
    Reason,
    Status,
    WantedCertificate,
)
from tmsd.client.connection import Connection
from tmsd.client.fields import Answer
from tmsd.client.problem import ProtocolError

_LARGEST_CRL = 16 * 1024 * 1024


class CertificateAuthority:
    """The calls of `/v1/ca/{ca}` over one connection; each raises as `Connection.post` does.

    Args:
        connection: to the service.
        ca: the CA's name in the policy.
    """

    def __init__(self, connection: Connection, ca: str) -> None:
        self._connection = connection
        self._path = f"/v1/ca/{ca}"

    async def issue(self, wanted: WantedCertificate) -> IssuedCertificate:
        """Have a certificate issued.

        Whoever does not know what came of it, as after `ServiceUnreachable`, asks for the same
        wish again: it gets the certificate that was issued, or has it issued now. One wish comes
        to one certificate.
        """
        answer = await self._connection.post(
            f"{self._path}/certificates",
            _body(wanted),
            {"Idempotency-Key": wanted.idempotency_key},
        )
        return IssuedCertificate(
            serial_number=fields.octets(answer, "serial_number"),
            certificate=fields.text(answer, "certificate"),
            chain=tuple(fields.texts(answer, "chain")),
        )

    async def certificate(self, serial_number: bytes) -> CertificateStatus:
        """Ask for a certificate and how it is.

        One that was not issued, or by a profile that this caller may not have, is the problem
        `certificate-unknown`; so for the next three.
        """
        return _status(await self._connection.get(self._of(serial_number)))

    async def revoke(
        self, serial_number: bytes, reason: Reason, invalid_since: datetime | None = None
    ) -> CertificateStatus:
        """Revoke a certificate for good; one that is revoked stays as it is.

        Args:
            serial_number: 16 bytes.
            reason: why.
            invalid_since: from when on its key is known or thought to be unsafe, with a time
                zone; told to the second.
        """
        body = {"reason": reason.value}
        if invalid_since is not None:
            body["invalid_since"] = f"{invalid_since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return _status(await self._connection.post(f"{self._of(serial_number)}/revoke", body))

    async def hold(self, serial_number: bytes) -> CertificateStatus:
        """Put a certificate on hold; one that is revoked is the problem `status-conflict`."""
        return _status(await self._connection.post(f"{self._of(serial_number)}/hold"))

    async def release(self, serial_number: bytes) -> CertificateStatus:
        """Release a certificate from hold; one that is revoked is `status-conflict`."""
        return _status(await self._connection.post(f"{self._of(serial_number)}/release"))

    async def chain(self) -> tuple[str, ...]:
        """Return the CA's certificate, then its issuers' up to the root."""
        return tuple(fields.texts(await self._connection.get(f"{self._path}/chain"), "chain"))

    async def crl(self, largest: int = _LARGEST_CRL) -> Crl:
        """Return the complete CRL that was signed last, of so many bytes at most.

        While there is none yet, it is the problem `crl-unknown`.
        """
        answer = await self._connection.get(f"{self._path}/crl", largest=largest)
        return Crl(
            crl=fields.text(answer, "crl"),
            number=fields.number(answer, "number"),
            this_update=fields.time(answer, "this_update"),
            next_update=fields.time(answer, "next_update"),
        )

    def _of(self, serial_number: bytes) -> str:
        return f"{self._path}/certificates/{serial_number.hex()}"


def _body(wanted: WantedCertificate) -> dict[str, Any]:
    given = {
        name: value if isinstance(value, str) else list(value)
        for name, value in wanted.fields.items()
    }
    body: dict[str, Any] = {"profile": wanted.profile, "fields": given}
    if isinstance(wanted.key, CardKey):
        body["public_key"] = wanted.key.public_key.hex()
        body["proof"] = {"ticket": wanted.key.ticket, "signature": wanted.key.signature.hex()}
    else:
        body["csr"] = wanted.key
    if wanted.days is not None:
        body["days"] = wanted.days
    return body


def _status(answer: Answer) -> CertificateStatus:
    try:
        status = Status(fields.text(answer, "status"))
    except ValueError as error:
        raise ProtocolError("the certificate is as none of this API can be") from error
    return CertificateStatus(
        serial_number=fields.octets(answer, "serial_number"),
        certificate=fields.text(answer, "certificate"),
        profile=fields.text(answer, "profile"),
        subject=fields.text(answer, "subject"),
        not_before=fields.time(answer, "not_before"),
        not_after=fields.time(answer, "not_after"),
        status=status,
        revoked_at=fields.optional_time(answer, "revoked_at"),
        reason=fields.optional_text(answer, "reason"),
    )
