"""Shares of the backup key: words by SLIP-39, of which any M of N make the key again.

A share is 33 words: 15 bits by which the shares of one key are known, its number, how many it
takes, and a check that notices up to three wrong words (SLIP-39, 2019, "Format of the share
mnemonic"). There is one group and no passphrase. The bits by which shares are known are
the first of the backup key's check value, so that any backup tells which shares belong to it.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from shamir_mnemonic.shamir import (
    EncryptedMasterSecret,
    ShareGroup,
    recover_ems,
    split_ems,
)
from shamir_mnemonic.share import Share as Slip39
from shamir_mnemonic.utils import MnemonicError
from shamir_mnemonic.wordlist import WORDLIST

from hsm.secret import Secret
from tmsd.ceremony.backup_refusal import BackupRefused, BackupRule

MOST_SHARES = 16
WORDS = 33  # of a key of 256 bits
KEY_LENGTH = 32

_SHORTEST = 4  # letters, by which each word is known
_WORDS = {word[:_SHORTEST]: word for word in WORDLIST}
_IN_A_ROW = 3
_IDENTIFIER_BITS = 15
_NO_PASSPHRASE = b""
_EXPONENT = 0  # nothing is stretched where there is no passphrase


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """A share that was typed and is none by mistake.

    Attributes:
        number: of the share, from 1.
        needed: how many make the key.
        words: the share in full, with one space between words.
    """

    number: int
    needed: int
    words: Secret


def split(key: Secret, check_value: bytes, needed: int, of: int) -> list[Secret]:
    """Split a backup key into shares, each as its words in full.

    The library makes copies of the key and of the shares that Python frees and nobody wipes.

    Args:
        key: 32 bytes.
        check_value: its own, 3 bytes.
        needed: how many shares make it again, at least 2.
        of: how many there are, up to 16.
    """
    encrypted = EncryptedMasterSecret.from_master_secret(
        bytes(key.reveal()), _NO_PASSPHRASE, _identifier(check_value), True, _EXPONENT
    )
    [shares] = split_ems(1, [(needed, of)], encrypted)
    return [Secret(share.mnemonic().encode("ascii")) for share in shares]


def read_share(typed: Secret, check_value: bytes, before: Sequence[Share] = ()) -> Share:
    """Read a share as it was typed: words of at least four letters, numbered or not.

    Args:
        typed: what was typed; not wiped.
        check_value: of the backup key, 3 bytes.
        before: the shares that there are already.

    Raises:
        BackupRefused: `share-malformed`, `share-foreign` or `share-twice`.
    """
    words = _words(typed)
    share = _parsed(words)
    if share.identifier != _identifier(check_value) or any(
        share.member_threshold != other.needed for other in before
    ):
        raise BackupRefused(
            BackupRule.SHARE_FOREIGN,
            f"it is a share of another key than the backup key {check_value.hex()}",
        )
    number = share.index + 1
    if any(number == other.number for other in before):
        raise BackupRefused(BackupRule.SHARE_TWICE, f"share {number} was typed already")
    return Share(number, share.member_threshold, Secret(words.encode("ascii")))


def still_missing(typed: Secret, shown: Secret | None = None) -> str:
    """Return which words are still to be typed after these, as `words 4 to 33`; or nothing.

    Args:
        typed: what was typed so far; not wiped.
        shown: the share, where it is to be the one that was shown.

    Raises:
        BackupRefused: `share-malformed` or `share-not-the-shown`: a word of these is wrong.
    """
    words = _words_so_far(typed)
    right = shown.reveal().decode("ascii").split() if shown else words
    for number, (word, other) in enumerate(zip(words, right, strict=False), start=1):
        if not hmac.compare_digest(word, other):
            raise BackupRefused(
                BackupRule.SHARE_NOT_THE_SHOWN, f"word {number} is another one than was shown"
            )
    return f"words {len(words) + 1} to {WORDS}" if len(words) < WORDS else ""


def require_same(typed: Share, shown: Secret) -> None:
    """Make sure that a share is the one that was shown.

    Raises:
        BackupRefused: `share-not-the-shown`.
    """
    if not hmac.compare_digest(typed.words.reveal(), shown.reveal()):
        raise BackupRefused(
            BackupRule.SHARE_NOT_THE_SHOWN,
            f"it is right in itself, but share {typed.number} and not the one that was shown",
        )


def join(shares: Sequence[Share]) -> Secret:
    """Make the backup key from as many shares as it takes: 32 bytes.

    Whether it is the right one, its check value tells.

    Raises:
        BackupRefused: `shares-unfit`: they are not all of one key, though each is right in itself.
    """
    group = ShareGroup()
    try:
        for share in shares:
            group.add(Slip39.from_mnemonic(share.words.reveal().decode("ascii")))
        return Secret(recover_ems({0: group}).decrypt(_NO_PASSPHRASE))
    except MnemonicError:
        raise BackupRefused(
            BackupRule.SHARES_UNFIT,
            "each share is right in itself, but together they make no key: "
            "one of them is of another splitting, or made up",
        ) from None


def in_rows(share: Secret) -> Secret:
    """Return a share as it is written down: its words in rows, each with its number."""
    words = share.reveal().decode("ascii").split()
    cells = [f"{number:2} {word:<9}" for number, word in enumerate(words, start=1)]
    rows = ("".join(cells[at : at + _IN_A_ROW]) for at in range(0, len(cells), _IN_A_ROW))
    return Secret("\n".join(row.rstrip() for row in rows).encode("ascii"))


def _identifier(check_value: bytes) -> int:
    return int.from_bytes(check_value) >> (8 * len(check_value) - _IDENTIFIER_BITS)


def _words(typed: Secret) -> str:
    """Return all words of a share, with one space between them.

    Raises:
        BackupRefused: `share-malformed`; it says which word is none, and does not repeat it.
    """
    words = _words_so_far(typed)
    if len(words) != WORDS:
        raise BackupRefused(
            BackupRule.SHARE_MALFORMED, f"a share has {WORDS} words, and {len(words)} were typed"
        )
    return " ".join(words)


def _words_so_far(typed: Secret) -> list[str]:
    """Return words in full; numbers before them are passed over."""
    try:
        given = typed.reveal().decode("ascii").lower().split()
    except UnicodeDecodeError:
        raise BackupRefused(BackupRule.SHARE_MALFORMED, "it has letters that no word has") from None
    given = [word for word in given if not word.isdigit()]
    found = [_word(word) for word in given]
    for number, word in enumerate(found, start=1):
        if word is None:
            raise BackupRefused(
                BackupRule.SHARE_MALFORMED, f"word {number} is none of the words of SLIP-39"
            )
    return [word for word in found if word is not None]


def _word(typed: str) -> str | None:
    word = _WORDS.get(typed[:_SHORTEST])
    return word if word is not None and word.startswith(typed) else None


def _parsed(words: str) -> Slip39:
    try:
        share = Slip39.from_mnemonic(words)
    except MnemonicError:  # whose text repeats words
        raise BackupRefused(
            BackupRule.SHARE_MALFORMED, "its check is wrong: a word is another one, or elsewhere"
        ) from None
    if share.group_count != 1 or share.iteration_exponent != _EXPONENT or not share.extendable:
        raise BackupRefused(
            BackupRule.SHARE_FOREIGN, "it is a share of another kind of secret than a backup key"
        )
    return share
