"""Step: generate a transport key, of which a caller gets a copy under its RSA public key."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import AfterValidator

from hsm.handing_over import OaepHash, generate_to_hand_over, keep, wrap_to
from hsm.importing import require_absent
from tmsd.ceremony.described_key import describe
from tmsd.ceremony.key_step import KeyPurpose, KeyStep
from tmsd.ceremony.new_file import release, require_no_file, write_unreleased
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.config.table import TOML
from tmsd.config.values import Name
from tmsd.x509.public_keys import spki_sha256

_LEAST_BITS = 2048


def _recipient(pem: str) -> RSAPublicKey:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("must be a public key in PEM") from None
    if not isinstance(key, RSAPublicKey) or key.key_size < _LEAST_BITS:
        raise ValueError(f"must be an RSA public key of {_LEAST_BITS} bits or more")
    return key


def _require_recipient(pem: str) -> str:
    _recipient(pem)
    return pem


class GenerateWrappedTransportKey(KeyStep):
    """`generate-wrapped-transport-key`.

    Attributes:
        public_key: of who gets the copy, in PEM; in the script itself, which is reviewed.
        oaep: the hash of RSAES-OAEP, as the caller decrypts it.
        file: the wrapped key's name, in the folder of the minutes.
    """

    do: Literal["generate-wrapped-transport-key"]
    purpose: Literal[KeyPurpose.TRANSPORT] = KeyPurpose.TRANSPORT
    factory: Literal[False] = False
    public_key: Annotated[str, AfterValidator(_require_recipient)]
    oaep: Annotated[OaepHash, TOML] = OaepHash.SHA256
    file: Name

    @property
    def recipient(self) -> RSAPublicKey:
        """The public key of who gets the copy."""
        return _recipient(self.public_key)

    def said(self) -> Iterator[str]:
        """Yield what is generated, and who gets a copy."""
        yield f"Generate {self.described}."
        yield f"Its copy goes into {self.file}, by RSA-OAEP with {self.oaep}, for who has the key"
        yield f"of the public key with SHA-256 {spki_sha256(self.recipient)}."
        yield from self.said_of_backup()

    def perform(self, room: Room) -> Facts:
        """Wrap it, keep it, and let the file have its name once both are done."""
        key, path = self.key, room.folder / self.file
        require_no_file(path)
        with room.token() as token, token.operation() as operation:
            require_absent(token, key.reference)
            made = generate_to_hand_over(operation, key.token_shapes[0], key.template)
            write_unreleased(path, wrap_to(operation, self.recipient, made, self._oaep(room)))
            described = describe(key.reference, keep(token, made, key.reference, key.template))
        return self._released(room, self.facts(described))

    def found(self, room: Room) -> Facts | None:
        """Return the key that is there; its file is written before it is kept."""
        facts = self.found_in_token(room)
        return None if facts is None else self._released(room, facts)

    def _oaep(self, room: Room) -> OaepHash:
        """Return the hash of OAEP; the token of a rehearsal (SoftHSM 2.6) has SHA-1 alone."""
        return OaepHash.SHA1 if room.rehearsal else self.oaep

    def _released(self, room: Room, facts: Facts) -> Facts:
        path = room.folder / self.file
        if not path.exists():
            try:
                release(path)
            except FileNotFoundError:
                raise Refused(
                    f"{self.key.reference} is in the token, and its copy {path} is nowhere"
                ) from None
        return {
            **facts,
            "file": self.file,
            "file_sha256": sha256(path.read_bytes()).hexdigest(),
            "oaep": str(self._oaep(room)),
            "for_public_key_sha256": spki_sha256(self.recipient),
        }
