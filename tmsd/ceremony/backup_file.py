"""The file of a backup: keys wrapped under the backup key, and what restores them as they were.

It is one line of canonical JSON that says of itself what it is, with a MAC over all of it
(backing_up.py). Nothing in it is secret to who has not the backup key.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key
from msgspec import Meta
from pkcs11 import Attribute, KeyType

from hsm.errors import KeyUnsuitable
from hsm.keys import KeyReference, KeyShape
from hsm.public_keys import KeyPairAlgorithm, PublicKey, kind_of
from tmsd.ceremony.backup_refusal import BackupRefused, BackupRule
from tmsd.quorum import canonical

LONGEST = 4 * 1024 * 1024
"""Length of the longest backup, in bytes."""

MAC_LENGTH = 32

KeyKind = Literal["aes", "des2", "des3", "secret"]
Ability = Literal["decrypt", "derive", "encrypt", "sign", "unwrap", "verify", "wrap"]

KINDS: Mapping[KeyKind, KeyType] = {
    "aes": KeyType.AES,
    "des2": KeyType.DES2,
    "des3": KeyType.DES3,
    "secret": KeyType.GENERIC_SECRET,
}
ABILITIES: Mapping[Ability, Attribute] = {
    "decrypt": Attribute.DECRYPT,
    "derive": Attribute.DERIVE,
    "encrypt": Attribute.ENCRYPT,
    "sign": Attribute.SIGN,
    "unwrap": Attribute.UNWRAP,
    "verify": Attribute.VERIFY,
    "wrap": Attribute.WRAP,
}

_CheckValue = Annotated[str, Meta(pattern=r"\A[0-9a-f]{6}\Z")]
_Version = Annotated[int, Meta(ge=1, le=255)]
_Label = Annotated[str, Meta(min_length=1, max_length=64)]


class BackedUpKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A secret key.

    Attributes:
        label: CKA_LABEL.
        version: CKA_ID.
        kind: CKA_KEY_TYPE.
        length: in bytes.
        may: the attributes that are true, in the order of the alphabet.
        check_value: 3 bytes in hex.
        wrapped: by CKM_AES_KEY_WRAP, in hex; 8 bytes longer than the key.
    """

    label: _Label
    version: _Version
    kind: KeyKind
    length: Annotated[int, Meta(ge=16, le=32)]
    may: tuple[Ability, ...]
    check_value: _CheckValue
    wrapped: Annotated[str, Meta(pattern=r"\A[0-9a-f]{48,80}\Z")]

    @property
    def reference(self) -> KeyReference:
        """Its label and version."""
        return KeyReference(self.label, self.version)

    @property
    def shape(self) -> KeyShape:
        """Its type and length."""
        return KeyShape(KINDS[self.kind], self.length)


class BackedUpKeyPair(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A key pair of a CA or of its responder.

    Attributes:
        label: CKA_LABEL of both halves.
        version: CKA_ID of both.
        algorithm: what it is a key pair of.
        public_key: its SubjectPublicKeyInfo in DER, in hex.
        wrapped: the private half's PrivateKeyInfo by CKM_AES_KEY_WRAP_PAD, in hex.
    """

    label: _Label
    version: _Version
    algorithm: KeyPairAlgorithm
    public_key: Annotated[str, Meta(pattern=r"\A([0-9a-f]{2})+\Z")]
    wrapped: Annotated[str, Meta(pattern=r"\A([0-9a-f]{2})+\Z")]

    @property
    def reference(self) -> KeyReference:
        """Its label and version."""
        return KeyReference(self.label, self.version)

    @property
    def public(self) -> PublicKey:
        """Its public half.

        Raises:
            ValueError: it is none of the algorithm.
        """
        try:
            key = load_der_public_key(bytes.fromhex(self.public_key))
            if isinstance(key, PublicKey) and kind_of(key) is self.algorithm:
                return key
        except (UnsupportedAlgorithm, KeyUnsuitable):
            pass
        raise ValueError(f"{self.reference}: it holds no public key of {self.algorithm}")


class WrappingKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The backup key: its version, and 3 bytes in hex that it is known by."""

    version: _Version
    check_value: _CheckValue


class Backup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A backup.

    Attributes:
        backup_key: wraps all of them.
        deployment: whose keys they are.
        format: of this kind of file.
        key_pairs: in the order of label and version, each once.
        keys: secret keys, likewise.
        made: when, as 2026-01-31T12:00:00Z.
        mac_key: 64 bytes, wrapped under the backup key, in hex.
        mac: HMAC-SHA256 under that key of this document with an empty `mac`, in hex.
    """

    backup_key: WrappingKey
    deployment: Annotated[str, Meta(min_length=1, max_length=64)]
    format: Literal["tmsd-backup-v1"]
    key_pairs: tuple[BackedUpKeyPair, ...]
    keys: tuple[BackedUpKey, ...]
    made: Annotated[str, Meta(pattern=r"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\Z")]
    mac_key: Annotated[str, Meta(pattern=r"\A[0-9a-f]{144}\Z")]
    mac: Annotated[str, Meta(pattern=r"\A([0-9a-f]{64})?\Z")] = ""

    @property
    def authenticated(self) -> bytes:
        """What its MAC is over."""
        return canonical.encode(msgspec.structs.replace(self, mac=""))


def read_backup(path: Path, deployment: str) -> tuple[Backup, bytes]:
    """Read a backup, which is not authenticated by that, and its bytes.

    Raises:
        BackupRefused: `backup-missing`, `backup-malformed` or `backup-of-other-deployment`.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BackupRefused(BackupRule.BACKUP_MISSING, f"{path}: {error.strerror}") from None
    try:
        backup = canonical.decode(content, Backup, LONGEST)
        _require_in_order(backup)
    except ValueError as error:
        raise BackupRefused(BackupRule.BACKUP_MALFORMED, f"{path}: {error}") from None
    if backup.deployment != deployment:
        raise BackupRefused(
            BackupRule.BACKUP_OF_OTHER_DEPLOYMENT,
            f"{path}: it is of {backup.deployment}, and the script of {deployment}",
        )
    return backup, content


def _require_in_order(backup: Backup) -> None:
    for kept in (backup.keys, backup.key_pairs):
        names = [(key.label, key.version) for key in kept]
        if sorted(set(names)) != names:
            raise ValueError("its keys are not in order, each once")
    for key in backup.keys:
        if sorted(set(key.may)) != list(key.may):
            raise ValueError(f"{key.reference}: what it may is not in order, each once")
    for pair in backup.key_pairs:
        _ = pair.public
