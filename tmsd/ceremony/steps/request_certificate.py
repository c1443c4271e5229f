"""Step: make a request for signing (PKCS #10) for a key pair in the token, as CAs have one."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hsm.key_pairs import find_key_pair
from hsm.keys import KeyReference
from hsm.signing import signing_key
from hsm.token import Token
from tmsd.ceremony.key_pair_step import KeyPairStep, Subject
from tmsd.ceremony.new_file import PemName, require_no_file, write_new
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.x509.public_keys import spki_sha256
from tmsd.x509.signature import scheme_for


class RequestCertificate(KeyPairStep):
    """`request-certificate`.

    Attributes:
        subject: whom the certificate shall be for.
        file: the request's name, in the folder of the minutes.
    """

    do: Literal["request-certificate"]
    subject: Subject
    file: PemName

    def said(self) -> Iterator[str]:
        """Yield what is requested."""
        yield f"Make a request for signing, signed by its {self.name}, into {self.file}:"
        yield f"{self.subject}."

    def perform(self, room: Room) -> Facts:
        """Make it, and write it once it is signed."""
        path = room.folder / self.file
        require_no_file(path)
        subject = x509.Name.from_rfc4514_string(self.subject)
        with room.token() as token:
            self.proven_public_key_sha256(token)
            request = request_certificate(token, self.reference, subject)
        write_new(path, request.public_bytes(Encoding.PEM))
        return self._facts(request)

    def found(self, room: Room) -> Facts | None:
        """Return the request that is there: this step alone writes it, and whole."""
        path = room.folder / self.file
        if not path.exists():
            return None
        with room.token() as token:
            expected = self.proven_public_key_sha256(token)
        try:
            request = x509.load_pem_x509_csr(path.read_bytes())
        except ValueError:
            raise Refused(f"{path} is no request for signing") from None
        if not request.is_signature_valid or (
            (spki_sha256(request.public_key()), request.subject)
            != (expected, x509.Name.from_rfc4514_string(self.subject))
        ):
            raise Refused(f"{path} is no request of {self.name} for {self.subject}")
        return self._facts(request)

    def _facts(self, request: x509.CertificateSigningRequest) -> Facts:
        return {
            "key_pair": self.key,
            "subject": request.subject.rfc4514_string(),
            "public_key_sha256": spki_sha256(request.public_key()),
            "request_sha256": sha256(request.public_bytes(Encoding.DER)).hexdigest(),
            "file": self.file,
        }


def request_certificate(
    token: Token, reference: KeyReference, subject: x509.Name
) -> x509.CertificateSigningRequest:
    """Return a request that the key pair signs.

    Raises:
        KeyNotFound: there is no such key pair.
        HsmError: the token refuses.
    """
    pair = find_key_pair(token, reference)
    scheme = scheme_for(pair.public_key)
    built = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return built.sign(signing_key(pair), scheme.digest)
