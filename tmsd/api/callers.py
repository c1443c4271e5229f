"""Who is calling: known by the hash of the public key in the client certificate."""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tmsd.clock import now
from tmsd.config.caller_trust import CallerTrust
from tmsd.config.callers import Caller, Protocol, Role
from tmsd.config.policy import Policy
from tmsd.errors import Code, ServiceError


def identify(request: web.Request, policy: Policy, trust: CallerTrust) -> Caller:
    """Return the caller whose key authenticated this connection.

    The TLS layer has verified the certificate when the connection was opened. Whether it
    still holds, and being known, are asked anew for each request.

    Raises:
        ServiceError: `certificate-refused`; or `caller-unknown`, with the hash that the
            policy would have to name.
    """
    certificate = presented_certificate(request.transport)
    if certificate is None:
        raise ServiceError(Code.CALLER_UNKNOWN, "the connection has no client certificate")
    if objection := trust.judge(certificate).objection_at(now()):
        raise ServiceError(Code.CERTIFICATE_REFUSED, objection)
    key = public_key_sha256(certificate)
    caller = policy.caller_by_public_key(key)
    if caller is None:
        raise ServiceError(Code.CALLER_UNKNOWN, f"no caller has public_key_sha256 = {key}")
    return caller


def require_protocol(caller: Caller, protocol: Protocol) -> None:
    """Refuse a caller that speaks another protocol, and has a listener of its own.

    Raises:
        ServiceError: `role-missing`.
    """
    if caller.protocol is not protocol:
        raise ServiceError(
            Code.ROLE_MISSING,
            f'{caller.name} has protocol = "{caller.protocol}", which is not spoken here',
        )


def require_role(caller: Caller, roles: Sequence[Role]) -> None:
    """Refuse a caller that has none of these roles.

    Raises:
        ServiceError: `role-missing`.
    """
    if not set(roles) & set(caller.roles):
        words = " or ".join(roles)
        raise ServiceError(Code.ROLE_MISSING, f"{caller.name} does not have the role {words}")


def presented_certificate(transport: asyncio.BaseTransport | None) -> bytes | None:
    """Return the client certificate of a TLS connection, in DER; None where there is none."""
    tls = transport.get_extra_info("ssl_object") if transport else None
    return tls.getpeercert(binary_form=True) if tls else None


@lru_cache(maxsize=1024)
def public_key_sha256(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate's DER SubjectPublicKeyInfo, in lower-case hex."""
    public_key = x509.load_der_x509_certificate(certificate).public_key()
    encoded = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(encoded).hexdigest()
