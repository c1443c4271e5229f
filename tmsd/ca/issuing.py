"""Issuing: what will be signed is on record before it is signed, and signed before it leaves.

1. The worker prepares a certificate: built, looked over, not signed.
2. The store takes it in under the asker's Idempotency-Key, and the audit log the intent.
3. The worker signs it.
4. The store takes the certificate in, and only then anybody gets it.

Who asks again with the same key goes on where the first stopped: the prepared certificate is
signed, or the signed one is handed out again. Two signatures of one prepared certificate are
one certificate to the world, and only one is kept.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TypeVar

import msgspec
from cryptography import x509
from sqlalchemy import Connection

from tmsd import clock
from tmsd.audit.trail import Trail
from tmsd.ca.service import Certification
from tmsd.errors import Code, ServiceError
from tmsd.quorum import refusal as quorum
from tmsd.store import certificates as table
from tmsd.store.certificates import Record, Request, State
from tmsd.vault.certificate_messages import (
    DraftCertificate,
    DraftedCertificate,
    PrepareCertificate,
    PreparedCertificate,
    Proof,
    QuorumApproval,
    SignCertificate,
)
from tmsd.vault.message import MAX_FRAME
from tmsd.x509.refusal import Rule

_LONGEST_SUBJECT = 1024
# What is on record of a certificate before it is signed.
_INTENDED = (
    *("ca", "profile", "serial_number"),
    *("request", "request_sha256", "requester", "approved_by"),
)
_RULES = frozenset((*Rule, *quorum.Rule))

Q = TypeVar("Q", DraftCertificate, PrepareCertificate)


@dataclass(frozen=True, slots=True)
class CertificateWanted:
    """A certificate as somebody wants it.

    Attributes:
        ca: which shall issue it.
        profile: by which profile.
        proof: for which key, and what shows that who asks holds it.
        fields: of the profile; they go before those of the request.
        days: how long it shall be valid; None for as long as there is.
        idempotency_key: names this wish among the asker's.
        approval: by the quorum, of what takes one; anybody's approval is of the same wish.
    """

    ca: str
    profile: str
    proof: Proof
    fields: Mapping[str, Sequence[str]]
    days: int | None
    idempotency_key: str
    approval: QuorumApproval | None = None

    @property
    def digest(self) -> bytes:
        """SHA-256 of what is wanted, by which a wish is known again; 32 bytes."""
        fields = {name: list(values) for name, values in sorted(self.fields.items())}
        wish = [self.ca, self.profile, self.proof, fields, str(self.days)]
        return sha256(msgspec.msgpack.encode(wish)).digest()


async def draft(
    ca: Certification, asker: str, wanted: CertificateWanted, trail: Trail
) -> DraftedCertificate:
    """Draft a certificate that takes a quorum's approval; it is on record once it is approved.

    Raises:
        ServiceError: as `issue` does.
    """
    ca.authority(wanted.ca)
    _tell_of(wanted, trail)
    with _rule_on_record(trail):
        return await ca.ask(_question(DraftCertificate, asker, wanted), trail)


async def issue(
    ca: Certification, asker: str, wanted: CertificateWanted, trail: Trail
) -> x509.Certificate:
    """Issue a certificate, or hand out again the one that was issued for this wish.

    Args:
        ca: the service.
        asker: a caller's name, or that of the appliance.
        wanted: what is wanted.
        trail: the record.

    Raises:
        ServiceError: `ca-unknown`, `profile-unknown`, `profile-not-allowed`, `issuance-refused`;
            `request-invalid`, where something is out of bounds;
            `idempotency-key-reused`; or the HSM, the store or the audit log cannot be used.
    """
    ca.authority(wanted.ca)
    _tell_of(wanted, trail)
    with _rule_on_record(trail):
        record = await _on_record(ca, asker, wanted, trail)
        trail.details["serial_number"] = record.serial.hex()
        trail.details["public_key_sha256"] = record.public_key_sha256.hex()
        certificate = record.certificate or await _signed(ca, asker, wanted, record, trail)
    return x509.load_der_x509_certificate(certificate)


def _tell_of(wanted: CertificateWanted, trail: Trail) -> None:
    trail.details |= {
        "ca": wanted.ca,
        "profile": wanted.profile,
        "proof": str(wanted.proof.__struct_config__.tag),
    }


@contextmanager
def _rule_on_record(trail: Trail) -> Iterator[None]:
    """Put the rule of a refusal on record, as its code is the same for all of them."""
    try:
        yield
    except ServiceError as refusal:
        rule, _, _ = refusal.detail.partition(": ")
        if refusal.code is Code.ISSUANCE_REFUSED and rule in _RULES:
            trail.details["rule"] = rule
        raise


async def _on_record(
    ca: Certification, asker: str, wanted: CertificateWanted, trail: Trail
) -> Record:
    """Return what is on record for a wish: from before, or prepared and put there now."""
    known = await ca.store.run(
        partial(_known, caller=asker, key=wanted.idempotency_key, digest=wanted.digest)
    )
    if known is not None:
        return known
    prepared = await ca.ask(_question(PrepareCertificate, asker, wanted), trail)
    if prepared.left_out:
        trail.details["left_out"] = ", ".join(prepared.left_out)
    if (card := prepared.card) is not None:
        trail.key_set = card.key_set
        trail.key_version = card.key_version
        trail.diversification_data = card.diversification_data
    request = _request(asker, wanted, prepared)
    unique = prepared.unique_key
    return await ca.store.run(partial(_prepare, request=request, unique_key=unique))


async def _signed(
    ca: Certification, asker: str, wanted: CertificateWanted, record: Record, trail: Trail
) -> bytes:
    """Have a prepared certificate signed; return what is on record from then on."""
    if record.state is State.ABANDONED or record.prepared is None:
        raise _given_up()
    intent = {name: trail.details[name] for name in _INTENDED if name in trail.details}
    await ca.intend(trail, intent)
    signed = await ca.ask(SignCertificate(asker, record.prepared, wanted.approval), trail)
    return await ca.store.run(
        partial(_issue, ca=record.ca, serial=record.serial, certificate=signed.certificate)
    )


def _question(kind: type[Q], asker: str, wanted: CertificateWanted) -> Q:
    """Return what the worker is asked; one that is asked anything else ends.

    Raises:
        ServiceError: `request-invalid`, where a length or a number is out of bounds.
    """
    question: dict[str, object] = {
        "caller": asker,
        "ca": wanted.ca,
        "profile": wanted.profile,
        "proof": msgspec.to_builtins(wanted.proof, builtin_types=(bytes,)),
        "fields": {name: list(values) for name, values in wanted.fields.items()},
        "days": wanted.days,
    }
    longest = MAX_FRAME
    if wanted.approval is not None:
        question["approval"] = msgspec.to_builtins(wanted.approval, builtin_types=(bytes,))
        longest += QuorumApproval.LARGEST
    try:
        checked = msgspec.convert(question, kind)
    except msgspec.ValidationError as error:
        raise ServiceError(Code.REQUEST_INVALID, str(error).replace("`$.", "`")) from None
    if len(msgspec.msgpack.encode(checked)) > longest:
        raise ServiceError(Code.REQUEST_INVALID, f"csr and fields have at most {MAX_FRAME} bytes")
    return checked


def _request(asker: str, wanted: CertificateWanted, prepared: PreparedCertificate) -> Request:
    return Request(
        ca=wanted.ca,
        serial=prepared.serial_number,
        profile=wanted.profile,
        caller=asker,
        subject=prepared.subject[:_LONGEST_SUBJECT],
        public_key_sha256=bytes.fromhex(prepared.public_key_sha256),
        not_before_ms=prepared.not_before * 1000,
        not_after_ms=prepared.not_after * 1000,
        partition=prepared.partition,
        idempotency_key=wanted.idempotency_key,
        request_digest=wanted.digest,
        prepared=prepared.prepared,
    )


def _known(connection: Connection, caller: str, key: str, digest: bytes) -> Record | None:
    with _conflicts():
        return table.find_by_key(connection, caller, key, digest)


def _prepare(connection: Connection, request: Request, *, unique_key: bool) -> Record:
    """Put a certificate on record, unless its key must not have one."""
    now = clock.now_ms()
    sha256 = request.public_key_sha256
    if table.is_compromised(connection, sha256):
        raise _refused(Rule.KEY_BLOCKED, "the key has been revoked as compromised")
    with _conflicts():
        known = table.find_by_key(
            connection, request.caller, request.idempotency_key, request.request_digest
        )
        if known is not None:
            return known
        if unique_key and (others := table.live_with_key(connection, sha256, now)):
            words = f"the key has the certificate {others[0].serial.hex()} of {others[0].ca}"
            raise _refused(Rule.KEY_IN_USE, words)
        table.open_authority(connection, request.ca)
        return table.prepare(connection, request, now)


def _issue(connection: Connection, ca: str, serial: bytes, certificate: bytes) -> bytes:
    with _conflicts():
        return table.issue(connection, ca, serial, certificate, clock.now_ms())


@contextmanager
def _conflicts() -> Iterator[None]:
    try:
        yield
    except table.IdempotencyConflict:
        raise ServiceError(
            Code.IDEMPOTENCY_KEY_REUSED,
            "the Idempotency-Key stands for another certificate; take another",
        ) from None
    except table.SerialTaken:
        raise _refused(
            quorum.Rule.REQUEST_OF_OTHER_CERTIFICATE, "the CA has one of this serial number"
        ) from None
    except table.Abandoned:
        raise _given_up() from None


def _given_up() -> ServiceError:
    return ServiceError(
        Code.IDEMPOTENCY_KEY_REUSED,
        "the certificate was not signed in time and given up; ask with another Idempotency-Key",
    )


def _refused(rule: Rule | quorum.Rule, words: str) -> ServiceError:
    return ServiceError(Code.ISSUANCE_REFUSED, f"{rule}: {words}")
