"""Step: take the certificate that another CA issued for a key pair, as policies expect it."""

from collections.abc import Iterator
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hsm.key_pairs import find_key_pair
from tmsd import clock
from tmsd.ceremony.described_certificate import certificate_facts, certificate_sha256
from tmsd.ceremony.key_pair_step import KeyPairStep, Subject
from tmsd.ceremony.new_file import PemName, require_no_file, write_new
from tmsd.ceremony.received_certificate import (
    Expected,
    ReceivedRefused,
    ReceivedRule,
    read_certificates,
    require_fit,
    whole_path,
)
from tmsd.ceremony.rehearsed_certificate import leave_certificate
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.config.toml import Complaint
from tmsd.config.values import Sha256


class ImportCertificate(KeyPairStep):
    """`import-certificate`: its files are in the folder of the minutes, in PEM.

    Attributes:
        subject: whom the certificate was requested for.
        received: what the other CA sent: the certificate, alone or with its chain after it.
        issuer: the issuer's certificate, and those above it up to the root.
        issuer_sha256: of the issuer's certificate in DER.
        file: what comes of it: the certificate, then its issuers'.
    """

    do: Literal["import-certificate"]
    subject: Subject
    received: PemName
    issuer: PemName
    issuer_sha256: Sha256
    file: PemName

    def complaints(self) -> Iterator[Complaint]:
        """Yield a complaint where two of the files are one."""
        yield from super().complaints()
        files = (self.received, self.issuer, self.file)
        if len(set(files)) < len(files):
            yield Complaint(
                ("file",), "must be another file than received and issuer, which differ"
            )

    def said(self) -> Iterator[str]:
        """Yield what is taken, and of whom."""
        yield f"Take the certificate of {self.name} from {self.received}, as a CA's for"
        yield f"{self.subject}. It was issued by the CA whose certificate is in {self.issuer} and"
        yield f"has the SHA-256 {self.issuer_sha256}. With those above it goes into {self.file}."

    def also_asked(self, room: Room) -> Facts:
        """Return what the certificate says that was received."""
        return certificate_facts(self._received(room)[0])

    def perform(self, room: Room) -> Facts:
        """Write it, if it is the one that was approved."""
        path = room.folder / self.file
        require_no_file(path)
        received = self._received(room)
        self._require_approved(received[0], room)
        write_new(path, b"".join(each.public_bytes(Encoding.PEM) for each in received))
        return self._facts(received[0])

    def found(self, room: Room) -> Facts | None:
        """Return the certificate that is there, if it is the one that was approved."""
        path = room.folder / self.file
        if not path.exists():
            return None
        certificate, *_ = read_certificates(path)
        self._require_approved(certificate, room)
        return self._facts(certificate)

    def _received(self, room: Room) -> tuple[x509.Certificate, ...]:
        """Return the certificate and its issuers', once all rules are kept.

        Raises:
            ReceivedRefused: the rule that is not.
            HsmError: the token refuses.
        """
        received, issuer = room.folder / self.received, room.folder / self.issuer
        subject = x509.Name.from_rfc4514_string(self.subject)
        with room.token() as token:
            public_key_sha256 = self.proven_public_key_sha256(token)
            if room.rehearsal and not received.exists():
                key = find_key_pair(token, self.reference).public_key
                leave_certificate(received, issuer, subject, key, clock.now())
        # The CA of a rehearsal is made up.
        issuer_sha256 = None if room.rehearsal else self.issuer_sha256
        path = whole_path(read_certificates(received), read_certificates(issuer))
        require_fit(path, Expected(subject, public_key_sha256, issuer_sha256), clock.now())
        return path

    def _require_approved(self, certificate: x509.Certificate, room: Room) -> None:
        digest, approved = certificate_sha256(certificate), room.approved.get("certificate_sha256")
        if digest != approved:
            raise ReceivedRefused(
                ReceivedRule.NOT_THE_APPROVED,
                f"it has the SHA-256 {digest}, and what was approved has {approved}",
            )

    def _facts(self, certificate: x509.Certificate) -> Facts:
        return {"key_pair": self.key, **certificate_facts(certificate), "file": self.file}
