"""What vouches for callers' certificates: the CAs of `caller_trust`, and what they revoked.

OpenSSL verifies a certificate once, at the handshake. A connection outlives that: each of its
requests asks here whether the chain (RFC 5280, section 6) is still whole, by the CAs and CRLs
that were read last. A certificate is vouched for by CAs of the file alone, up to a root.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import (
    Certificate,
    CertificateRevocationList,
    Extension,
    ExtensionNotFound,
    ExtensionType,
    KeyUsage,
    load_der_x509_certificate,
)

from tmsd.clock import now
from tmsd.config.api import ApiConfig
from tmsd.config.pem import UnfitFile, certificates, revocation_lists
from tmsd.config.toml import Complaint, KeyPath

_LONGEST_CHAIN = 8  # certificates
_MOST_VERDICTS = 1024
_CAN_SIGN_CRLS = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey
_CANNOT_BE_VERIFIED = (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError)


class UnfitTrust(Exception):
    """Files that nobody can be trusted by, with all that is wrong in them."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__("; ".join(complaint.message for complaint in complaints))
        self.complaints = tuple(complaints)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a certificate is vouched for.

    Attributes:
        objection: why it is not; empty if it is.
        until: when the first of its chain, or of the CRLs, runs out.
    """

    objection: str
    until: datetime

    def objection_at(self, time: datetime) -> str:
        """Return why the certificate is of no use at a time; empty if it is of use."""
        if self.objection or time < self.until:
            return self.objection
        return f"the certificate, a CA above it, or a CRL ran out at {self.until:%F %T} UTC"


@dataclass(frozen=True, slots=True, eq=False)
class Crl:
    """A CRL that is in force.

    Attributes:
        file: where it was read.
        revoked: its content, verified.
        until: its nextUpdate.
    """

    file: Path
    revoked: CertificateRevocationList
    until: datetime

    def runs_out_soon(self, time: datetime) -> bool:
        """Whether less than a quarter of its time is left."""
        return (self.until - time) * 4 < self.until - self.revoked.last_update_utc


class CallerTrust:
    """CAs and their CRLs.

    Args:
        authorities: the certificates of `caller_trust`.
        crls: the CRL of each of them; empty where nothing is asked of revocation.
    """

    def __init__(self, authorities: Sequence[Certificate], crls: Mapping[Certificate, Crl]) -> None:
        self._authorities = tuple(authorities)
        self._crls = dict(crls)
        self._verdicts: dict[bytes, Verdict] = {}

    def judge(self, der: bytes) -> Verdict:
        """Return whether a certificate, in DER, that TLS has verified is still vouched for."""
        if (verdict := self._verdicts.get(der)) is None:
            if len(self._verdicts) >= _MOST_VERDICTS:
                self._verdicts.clear()
            verdict = self._verdicts[der] = self._verdict(load_der_x509_certificate(der), 1)
        return verdict

    def warnings(self, time: datetime) -> Iterator[str]:
        """Yield a sentence for each CRL that runs out soon."""
        for crl in dict.fromkeys(self._crls.values()):
            if crl.runs_out_soon(time):
                yield (
                    f"{crl.file}: the CRL of {_name(crl.revoked)} runs out at {crl.until:%F %T} "
                    "UTC, and then no caller of that CA is served: fetch the next one, and reload"
                )

    def _verdict(self, certificate: Certificate, length: int) -> Verdict:
        """Follow a chain up from its `length`th certificate, and the best where it branches."""
        ends = certificate.not_valid_after_utc
        if length > _LONGEST_CHAIN:
            return Verdict("the chain of CAs above the certificate has no end", ends)
        return max(
            (
                self._verdict_by(authority, certificate, length)
                for authority in self._authorities
                if _is_issued_by(certificate, authority)
            ),
            key=lambda verdict: (not verdict.objection, verdict.until),
            default=Verdict("no CA of caller_trust, with its root, issued the certificate", ends),
        )

    def _verdict_by(self, authority: Certificate, certificate: Certificate, length: int) -> Verdict:
        """Return what its issuer, and those above that, say of a certificate."""
        ends = certificate.not_valid_after_utc
        crl = self._crls.get(authority)
        if crl is not None:
            ends = min(ends, crl.until)
            if _revokes(crl.revoked, certificate):
                return Verdict(f"{_name(crl.revoked)} has revoked the certificate", ends)
        if authority == certificate:  # a root
            return Verdict("", ends)
        above = self._verdict(authority, length + 1)
        return Verdict(above.objection, min(ends, above.until))


def load_caller_trust(api: ApiConfig, table: str = "api") -> CallerTrust:
    """Read `caller_trust` and `caller_crls`.

    With CRLs, each CA must have one that is in force: none that cannot be asked is passed over.

    Args:
        api: which files.
        table: of tmsd.toml that names them.

    Raises:
        UnfitTrust: a file is not fit for it.
    """
    path: KeyPath = (table, "caller_trust")
    try:
        authorities = certificates(api.caller_trust)
    except UnfitFile as unfit:
        raise UnfitTrust([Complaint(path, f"{api.caller_trust}: {unfit}")]) from None
    crls: dict[Certificate, Crl] = {}
    complaints: list[Complaint] = []
    for number, file in enumerate(api.caller_crls):
        try:
            _add(crls, file, authorities)
        except UnfitFile as unfit:
            complaints.append(Complaint((table, "caller_crls", number), f"{file}: {unfit}"))
    if api.caller_crls and not complaints:
        complaints += [
            Complaint(
                (table, "caller_crls"),
                f"lacks a CRL of {authority.subject.rfc4514_string()}, a CA of {api.caller_trust}",
            )
            for authority in authorities
            if authority not in crls
        ]
    if complaints:
        raise UnfitTrust(complaints)
    return CallerTrust(authorities, crls)


def _add(crls: dict[Certificate, Crl], file: Path, authorities: Sequence[Certificate]) -> None:
    """Add the CRLs of a file to those of other files, each by the CAs that it is of."""
    for crl in _crls(file):
        issuers = _issuers(crl.revoked, authorities)
        if issuers[0] in crls:
            raise UnfitFile(f"holds another CRL of {_name(crl.revoked)}: keep the newest")
        crls |= dict.fromkeys(issuers, crl)


def _crls(file: Path) -> Iterator[Crl]:
    """Yield the CRLs of a file that are whole and in force."""
    for crl in revocation_lists(file):
        until = crl.next_update_utc
        if until is None:
            raise UnfitFile(f"the CRL of {_name(crl)} has no nextUpdate")
        if until <= now():
            raise UnfitFile(
                f"the CRL of {_name(crl)} ran out at {until:%F %T} UTC (nextUpdate): "
                "fetch a newer one"
            )
        if crl.last_update_utc > now():
            raise UnfitFile(
                f"the CRL of {_name(crl)} is not in force before "
                f"{crl.last_update_utc:%F %T} UTC (thisUpdate)"
            )
        # Delta CRLs and those of a part of the certificates say so by a critical extension.
        if any(extension.critical for extension in _extensions(crl)):
            raise UnfitFile(
                f"the CRL of {_name(crl)} has a critical extension, as partial ones have: "
                "a whole CRL is needed"
            )
        yield Crl(file, crl, until)


def _extensions(crl: CertificateRevocationList) -> Iterator[Extension[ExtensionType]]:
    try:
        yield from crl.extensions
    except ValueError:
        raise UnfitFile(f"the CRL of {_name(crl)} has extensions that cannot be read") from None


def _issuers(
    crl: CertificateRevocationList, authorities: Sequence[Certificate]
) -> list[Certificate]:
    """Return the CAs whose CRL this is: one, and others of the same name and key."""
    issuers = [authority for authority in authorities if _signed(crl, authority)]
    if not issuers:
        raise UnfitFile(f"the CRL of {_name(crl)} was not signed by a CA of caller_trust")
    if not all(map(_may_sign_crls, issuers)):
        raise UnfitFile(f"{_name(crl)} may not sign CRLs, says the key usage of its certificate")
    return issuers


def _signed(crl: CertificateRevocationList, authority: Certificate) -> bool:
    try:
        key = authority.public_key()
        return (
            crl.issuer == authority.subject
            and isinstance(key, _CAN_SIGN_CRLS)
            and crl.is_signature_valid(key)
        )
    except _CANNOT_BE_VERIFIED:
        return False


def _may_sign_crls(authority: Certificate) -> bool:
    try:
        return authority.extensions.get_extension_for_class(KeyUsage).value.crl_sign
    except ExtensionNotFound:  # RFC 5280, section 4.2.1.3: nothing is restricted
        return True


def _is_issued_by(certificate: Certificate, authority: Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except _CANNOT_BE_VERIFIED:
        return False
    return True


def _revokes(crl: CertificateRevocationList, certificate: Certificate) -> bool:
    return crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


def _name(crl: CertificateRevocationList) -> str:
    return crl.issuer.rfc4514_string()
