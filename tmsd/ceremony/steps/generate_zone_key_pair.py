"""Step: generate the key pair for which a card maker wraps keys, and write its public half."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)
from pydantic import AfterValidator

from hsm.key_pairs import drop_lone_public_half, list_key_pairs
from hsm.public_keys import RSA_BITS, KeyPairAlgorithm
from hsm.unwrapping_pairs import UnwrappingPair, find_unwrapping_pair, generate_unwrapping_pair
from tmsd.ceremony.key_pair_step import KeyPairStep
from tmsd.ceremony.new_file import PemName, require_no_file, write_new
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.config.table import TOML
from tmsd.quorum.words import words
from tmsd.x509.public_keys import spki_sha256

_READ_ALOUD_BYTES = 8


def _rsa(algorithm: KeyPairAlgorithm) -> KeyPairAlgorithm:
    if algorithm not in RSA_BITS:
        raise ValueError(f"must be one of {', '.join(RSA_BITS)}: no other key pair unwraps keys")
    return algorithm


class GenerateZoneKeyPair(KeyPairStep):
    """`generate-zone-key-pair`.

    Attributes:
        algorithm: RSA, with so many bits.
        file: the public half's name, in the folder of the minutes.
    """

    do: Literal["generate-zone-key-pair"]
    algorithm: Annotated[KeyPairAlgorithm, TOML, AfterValidator(_rsa)]
    file: PemName

    def said(self) -> Iterator[str]:
        """Yield what is generated, and who gets the public half."""
        yield f"Generate {self.name}, {self.algorithm}, which unwraps keys that card makers send."
        yield f"Its public half goes into {self.file}, for card makers, who compare its SHA-256."
        yield "Its private half never leaves the token, and does nothing else: there is no backup."

    def perform(self, room: Room) -> Facts:
        """Generate it, have it unwrap once, and write the public half."""
        path = room.folder / self.file
        require_no_file(path)
        with room.token() as token:
            made = generate_unwrapping_pair(token, self.reference, self.algorithm)
        write_new(path, _pem(made.public_key))
        return self._facts(made)

    def found(self, room: Room) -> Facts | None:
        """Return the key pair that is there; its public half is written if it was not yet.

        A public half alone goes, and the key pair is made anew.
        """
        with room.token() as token:
            drop_lone_public_half(token, self.reference)
            if self.reference not in list_key_pairs(token):
                return None
            found = find_unwrapping_pair(token, self.reference)
        if found.algorithm is not self.algorithm:
            raise Refused(f"{self.name} is in the token, and of {found.algorithm}")
        path = room.folder / self.file
        if not path.exists():
            write_new(path, _pem(found.public_key))
        _require_same(path, found.public_key)
        return self._facts(found)

    def _facts(self, pair: UnwrappingPair) -> Facts:
        digest = spki_sha256(pair.public_key)
        return {
            "key_pair": self.key,
            "algorithm": str(pair.algorithm),
            "public_key_sha256": digest,
            "to_be_read_aloud": words(bytes.fromhex(digest)[:_READ_ALOUD_BYTES]),
            "file": self.file,
        }


def _pem(key: RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _require_same(path: Path, key: RSAPublicKey) -> None:
    try:
        same = load_pem_public_key(path.read_bytes()) == key
    except ValueError:
        same = False
    if not same:
        raise Refused(f"{path} is there, and is not the public half of the key pair")
