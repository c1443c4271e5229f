"""What steps have in common that take a key from a card maker: its file, and what it must be."""

from abc import ABC
from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated

from pydantic import Field

from hsm import importing
from hsm.keys import AES_128, AES_192, AES_256, DES2, DES3, KeyReference, KeyShape
from hsm.secret import Secret
from hsm.token import Token
from tmsd.ceremony.described_key import DescribedKey, Kcv
from tmsd.ceremony.key_step import KeyStep
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.ceremony.steps.import_key import import_value
from tmsd.ceremony.weak_key import weakness
from tmsd.ceremony.wrapped_key_refusal import WrappedKeyRefused, WrappedKeyRule
from tmsd.config.reserved_keys import KeyLabel
from tmsd.config.values import Name, Sha256

LONGEST_FILE = 4096
_FILE = "file_sha256"
# In bits, as NIST SP 800-57 part 1 rev. 5, table 2 has it.
_STRENGTHS = {DES2: 80, DES3: 112, AES_128: 128, AES_192: 192, AES_256: 256}


class WrappedKeyStep(KeyStep, ABC):
    """A step that takes a key which came wrapped.

    Attributes:
        file: the wrapped key's name, in the folder of the minutes.
        file_sha256: of its content, 64 lower-case hex digits, as the card maker said elsewhere.
        zone_key: the label of the key under which it came.
        zone_key_version: 1 to 255.
        kcv: of the key, as the card maker said elsewhere.
    """

    file: Name
    file_sha256: Sha256 | None = None
    zone_key: KeyLabel
    zone_key_version: Annotated[int, Field(ge=1, le=255)] = 1
    kcv: Kcv

    @property
    def zone_reference(self) -> KeyReference:
        """The key under which it came."""
        return KeyReference(self.zone_key, self.zone_key_version)

    def said_of_expected(self) -> Iterator[str]:
        """Yield what the key must be, and what becomes of it."""
        yield f"Its KCV must be {self.kcv}; a key with another one is not taken."
        if self.file_sha256 is not None:
            yield f"The file must have the SHA-256 {self.file_sha256}."
        if self.factory:
            yield "It may be a factory key, which everybody knows."
        yield from self.said_of_backup()

    def also_asked(self, room: Room) -> Facts:
        """Return which file it is; that of a rehearsal is made up as the step is performed."""
        return {} if room.rehearsal else {_FILE: sha256(self.read(room)).hexdigest()}

    def read(self, room: Room) -> bytes:
        """Return what is in the file, which is the one that was approved.

        Raises:
            WrappedKeyRefused: `wrapped-key-missing`, `-too-long` or `-other-file`.
            OSError: it cannot be read.
        """
        path = room.folder / self.file
        try:
            with path.open("rb") as file:
                content = file.read(LONGEST_FILE + 1)
        except FileNotFoundError:
            raise WrappedKeyRefused(
                WrappedKeyRule.MISSING, f"{path} is not there: put it beside the minutes"
            ) from None
        if len(content) > LONGEST_FILE:
            raise WrappedKeyRefused(
                WrappedKeyRule.TOO_LONG, f"{path} has more than {LONGEST_FILE} bytes"
            )
        found = sha256(content).hexdigest()
        for expected in (self.file_sha256, room.approved.get(_FILE)):
            if expected not in (None, found):
                raise WrappedKeyRefused(
                    WrappedKeyRule.OTHER_FILE,
                    f"{path} has the SHA-256 {found}, and not the expected {expected}",
                )
        return content

    def shape_of(self, length: int, zone_key: KeyShape) -> KeyShape:
        """Return what a key of so many bytes is, if the key under which it came is as strong.

        Raises:
            WrappedKeyRefused: `wrapped-key-length` or `zone-key-weak`.
        """
        shapes = {shape.length: shape for shape in self.key.component_shapes}
        if length not in shapes:
            right = " or ".join(map(str, sorted(shapes)))
            raise WrappedKeyRefused(
                WrappedKeyRule.LENGTH,
                f"{self.file} holds {length} bytes; a key of {self.algorithm} has {right}",
            )
        shape = shapes[length]
        if _STRENGTHS[shape] > _STRENGTHS.get(zone_key, _STRENGTHS[shape]):
            raise WrappedKeyRefused(
                WrappedKeyRule.ZONE_KEY_WEAK,
                f"{self.zone_reference} is weaker than the key that came under it",
            )
        return shape

    def require_expected(self, room: Room, check_value: bytes) -> None:
        """Make sure that it is the key that the card maker meant; one of a rehearsal is made up.

        Raises:
            WrappedKeyRefused: `wrapped-key-differs`.
        """
        if check_value.hex() != self.kcv and not room.rehearsal:
            raise WrappedKeyRefused(
                WrappedKeyRule.DIFFERS,
                f"its KCV is {check_value.hex()}, and the script expects {self.kcv}",
            )

    def keep_value(self, room: Room, token: Token, value: Secret, shape: KeyShape) -> DescribedKey:
        """Put the key into the token from this process's memory, where it is wiped.

        Raises:
            WrappedKeyRefused: `wrapped-key-weak` or `wrapped-key-differs`.
            HsmError: the token refuses.
        """
        with value as key:
            if not shape.is_aes:
                importing.set_odd_parity(value)
            if weak := weakness(key, self.key, shape):
                raise WrappedKeyRefused(WrappedKeyRule.WEAK, f"it is {weak}")
            check_value = importing.check_value_of_component(token, value, shape)
            self.require_expected(room, check_value)
            return import_value(token, self.key, value, shape)

    def facts_of_wrapped(self, facts: Facts, content: bytes) -> Facts:
        """Return what the minutes say of the key and how it came."""
        return {
            **facts,
            "zone_key": f"{self.zone_key}:{self.zone_key_version}",
            "file": self.file,
            _FILE: sha256(content).hexdigest(),
        }

    def found_as_expected(self, room: Room) -> Facts | None:
        """Return what the minutes say of the key if it is in the token.

        Raises:
            WrappedKeyRefused: `wrapped-key-differs`: another one is in its place.
            Refused, HsmError: as found_in_token does.
        """
        facts = self.found_in_token(room)
        if facts is not None and "kcv" in facts:
            self.require_expected(room, bytes.fromhex(str(facts["kcv"])))
        return facts
