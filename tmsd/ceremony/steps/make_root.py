"""Step: make the certificate of a root CA, signed by its own key in the token."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding
from pydantic import Field

from hsm.key_pairs import find_key_pair
from hsm.keys import KeyReference
from hsm.public_keys import PublicKey
from hsm.signing import signing_key
from hsm.token import Token
from tmsd import clock
from tmsd.ceremony.described_certificate import certificate_facts
from tmsd.ceremony.key_pair_step import KeyPairStep, Subject
from tmsd.ceremony.new_file import PemName, require_no_file, write_new
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.errors import Code, ServiceError
from tmsd.x509.building import Terms
from tmsd.x509.linting import require_same, signed_for_trial
from tmsd.x509.refusal import CertificateRefused
from tmsd.x509.roots import lint_root, root_builder
from tmsd.x509.signature import scheme_for

SERIAL_NUMBER_LENGTH = 16
LONGEST_DAYS = 9131
"""25 years."""


class MakeRoot(KeyPairStep):
    """`make-root`.

    Attributes:
        subject: of the CA.
        days: how long the certificate is valid, from when it is made.
        path_length: how many CAs may follow; None for any number.
        pss: RSA signs with PSS.
        file: the certificate's name, in the folder of the minutes.
    """

    do: Literal["make-root"]
    subject: Subject
    days: Annotated[int, Field(ge=1, le=LONGEST_DAYS)] = 3652
    path_length: Annotated[int, Field(ge=0, le=8)] | None = None
    pss: bool = False
    file: PemName

    def said(self) -> Iterator[str]:
        """Yield what is certified."""
        yield f"Make the certificate of a root CA, signed by its {self.name}, into {self.file}:"
        yield f"{self.subject}, valid for {self.days} days,"
        if self.path_length is None:
            yield "with any number of CAs below each other."
        else:
            yield f"with at most {self.path_length} CAs below each other."
        if self.pss:
            yield "It is signed with RSA-PSS."

    def perform(self, room: Room) -> Facts:
        """Make it, and write it once it is signed."""
        path = room.folder / self.file
        require_no_file(path)
        with room.token() as token:
            self.proven_public_key_sha256(token)
            try:
                root = make_root(token, self.reference, self._wanted, clock.now())
            except ServiceError as refused:
                raise Refused(str(refused)) from None
        write_new(path, root.public_bytes(Encoding.PEM))
        return self._facts(root)

    def found(self, room: Room) -> Facts | None:
        """Return the certificate that is there: this step alone writes it, and whole."""
        path = room.folder / self.file
        if not path.exists():
            return None
        with room.token() as token:
            self.proven_public_key_sha256(token)
            public_key = find_key_pair(token, self.reference).public_key
        try:
            root = x509.load_pem_x509_certificate(path.read_bytes())
            root.verify_directly_issued_by(root)
        except (ValueError, InvalidSignature):
            raise Refused(f"{path} is no certificate of a root") from None
        begin = root.not_valid_before_utc
        try:
            require_same(_on_trial(public_key, self._wanted, root.serial_number, begin)[1], root)
        except CertificateRefused:
            raise Refused(
                f"{path} is the certificate of another key than {self.name}, "
                "or says something else than the script"
            ) from None
        return self._facts(root)

    @property
    def _wanted(self) -> "RootWanted":
        subject = x509.Name.from_rfc4514_string(self.subject)
        return RootWanted(subject, self.days, self.path_length, self.pss)

    def _facts(self, root: x509.Certificate) -> Facts:
        return {
            "key_pair": self.key,
            **certificate_facts(root),
            "file": self.file,
        }


@dataclass(frozen=True, slots=True)
class RootWanted:
    """A root as it is wanted.

    Attributes:
        subject: of the CA.
        days: how long it is valid.
        path_length: how many CAs may follow; None for any number.
        pss: RSA signs with PSS.
    """

    subject: x509.Name
    days: int
    path_length: int | None = None
    pss: bool = False


def make_root(
    token: Token, reference: KeyReference, wanted: RootWanted, now: datetime
) -> x509.Certificate:
    """Make the certificate, once it was looked over on trial.

    Args:
        token: logged in.
        reference: the CA's key pair, which is there.
        wanted: what it says.
        now: the present; it is valid from now on.

    Raises:
        KeyNotFound: there is no such key pair.
        ServiceError: `issuance-refused`, with the rule that it would break.
        HsmError: the token refuses.
    """
    pair = find_key_pair(token, reference)
    serial_number = int.from_bytes(token.random(SERIAL_NUMBER_LENGTH))
    scheme = scheme_for(pair.public_key, pss=wanted.pss)
    try:
        begin = now.replace(microsecond=0)
        built, trial = _on_trial(pair.public_key, wanted, serial_number, begin)
        lint_root(trial, wanted.path_length)
        root = scheme.sign_certificate(built, signing_key(pair))
        require_same(trial, root)
    except CertificateRefused as refused:
        raise ServiceError(Code.ISSUANCE_REFUSED, str(refused)) from None
    return root


def _on_trial(
    public_key: PublicKey, wanted: RootWanted, serial_number: int, begin: datetime
) -> tuple[x509.CertificateBuilder, x509.Certificate]:
    """Return a root that is valid from a moment on, as it is built and as signed on trial."""
    end = begin + timedelta(days=wanted.days) - timedelta(seconds=1)
    terms = Terms(serial_number, begin, end)
    built = root_builder(wanted.subject, public_key, terms, wanted.path_length)
    scheme = scheme_for(public_key, pss=wanted.pss)
    return built, signed_for_trial(built, public_key, scheme)
