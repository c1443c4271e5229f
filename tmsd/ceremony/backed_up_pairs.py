"""Key pairs in a backup: wrapped, proven, and put back; both halves, though one alone is secret."""

from collections.abc import Iterator, Sequence

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute

from hsm.errors import HsmError
from hsm.identity import key_pair_identity
from hsm.key_pair_wrapping import require_unwrappable, unwrap_key_pair, wrap_private_key
from hsm.key_pairs import destroy_key_pair, find_key_pair, list_key_pairs, lone_public_key
from hsm.keys import TokenKey
from hsm.public_keys import PublicKey
from hsm.token import Token
from hsm.unwrapping_pairs import unwraps
from tmsd.ceremony.backup_file import BackedUpKeyPair, Backup
from tmsd.ceremony.backup_refusal import BackupRefused, BackupRule


def wrapped_pairs(token: Token, backup_key: TokenKey) -> Iterator[BackedUpKeyPair]:
    """Yield each key pair that can be backed up, once it was unwrapped and has signed.

    Raises:
        HsmError: the token refuses; a half of a key pair is missing.
    """
    for reference in list_key_pairs(token):
        if unwraps(token, reference):
            continue  # it never leaves: a card maker wraps keys for another one as well
        pair = find_key_pair(token, reference)
        if pair.private[Attribute.EXTRACTABLE]:
            wrapped = wrap_private_key(backup_key, pair)
            require_unwrappable(token, backup_key, pair.public_key, wrapped)
            yield BackedUpKeyPair(
                label=reference.label,
                version=reference.version,
                algorithm=pair.algorithm,
                public_key=_spki(pair.public_key),
                wrapped=wrapped.hex(),
            )


def require_pairs_restorable(token: Token, backup_key: TokenKey, backup: Backup) -> None:
    """Unwrap each private half as an object of the session, and have it sign once.

    Raises:
        HsmError: it cannot, or the token refuses.
    """
    for pair in backup.key_pairs:
        require_unwrappable(token, backup_key, pair.public, bytes.fromhex(pair.wrapped))


def missing_pairs(token: Token, backup: Backup) -> list[BackedUpKeyPair]:
    """Return the key pairs of a backup that are not in the token, or their public half alone.

    Raises:
        BackupRefused: `key-differs`: another one has the name of one of them.
        HsmError: the token refuses; one is there in part.
    """
    there = list_key_pairs(token)
    missing = []
    for pair in backup.key_pairs:
        if pair.reference not in there:
            missing.append(pair)
            continue
        public_key = lone_public_key(token, pair.reference)
        if public_key is not None:
            missing.append(pair)  # as an interruption leaves it
        else:
            found = find_key_pair(token, pair.reference)
            key_pair_identity(found)
            public_key = found.public_key
        if _spki(public_key) != pair.public_key:
            raise BackupRefused(
                BackupRule.KEY_DIFFERS,
                f"the key pair of {pair.reference} in the token has another public key",
            )
    return missing


def restore_pairs(token: Token, backup_key: TokenKey, pairs: Sequence[BackedUpKeyPair]) -> None:
    """Put key pairs back; none of them stays where one cannot be.

    Raises:
        HsmError: the token refuses.
    """
    restored = []
    try:
        for pair in pairs:
            if lone_public_key(token, pair.reference) is not None:
                destroy_key_pair(token, pair.reference)
            wrapped = bytes.fromhex(pair.wrapped)
            unwrap_key_pair(token, backup_key, pair.reference, pair.public, wrapped)
            restored.append(pair.reference)
    except HsmError:
        for reference in restored:
            destroy_key_pair(token, reference)
        raise


def _spki(key: PublicKey) -> str:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()
