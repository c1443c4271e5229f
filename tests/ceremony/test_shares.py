"""Shares of the backup key: any M of N make it again, and a wrong one is named."""

import re
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic import combine_mnemonics
from shamir_mnemonic.wordlist import WORDLIST

from hsm.secret import Secret
from tmsd.ceremony.backup_refusal import BackupRefused, BackupRule
from tmsd.ceremony.shares import WORDS, Share, in_rows, join, read_share, split, still_missing

KEYS = st.binary(min_size=32, max_size=32)
CHECK_VALUES = st.binary(min_size=3, max_size=3)
KEY, CHECK_VALUE = bytes(range(32)), bytes.fromhex("63da5d")


def shares_of(key: bytes, needed: int = 2, of: int = 3, known_by: bytes = CHECK_VALUE) -> list[str]:
    """Split a key."""
    return [share.reveal().decode() for share in split(Secret(key), known_by, needed, of)]


def read(*typed: str, known_by: bytes = CHECK_VALUE) -> list[Share]:
    """Read shares, one after another."""
    shares: list[Share] = []
    for words in typed:
        shares.append(read_share(Secret(words.encode()), known_by, shares))
    return shares


def refusal(*typed: str) -> BackupRefused:
    """Return why the last of these shares is refused."""
    *before, last = typed
    shares = read(*before)
    with pytest.raises(BackupRefused) as refused:
        read_share(Secret(last.encode()), CHECK_VALUE, shares)
    return refused.value


@settings(max_examples=20)
@given(KEYS, CHECK_VALUES, st.data())
def test_as_many_as_it_takes_make_the_key_whichever_they_are(
    key: bytes, known_by: bytes, data: st.DataObject
) -> None:
    of = data.draw(st.integers(2, 16))
    needed = data.draw(st.integers(2, of))
    shares = shares_of(key, needed, of, known_by)
    some = data.draw(st.permutations(shares))[:needed]

    joined = join(read(*some, known_by=known_by))

    assert bytes(joined.reveal()) == key
    assert combine_mnemonics(some) == key, "any other program for SLIP-39 makes the same of them"


def test_fewer_make_nothing() -> None:
    for some in combinations(shares_of(KEY, needed=3, of=4), 2):
        with pytest.raises(BackupRefused) as refused:
            join(read(*some))
        assert refused.value.rule is BackupRule.SHARES_UNFIT


@settings(max_examples=50)
@given(st.integers(0, WORDS - 1), st.sampled_from(WORDLIST))
def test_one_wrong_word_is_noticed_wherever_it_stands(at: int, word: str) -> None:
    words = shares_of(KEY)[0].split()
    if words[at] == word:
        return
    words[at] = word

    assert refusal(" ".join(words)).rule is BackupRule.SHARE_MALFORMED


def test_a_word_that_is_none_is_named_by_its_place_and_not_repeated() -> None:
    words = shares_of(KEY)[0].split()
    words[6] = "xylophone"

    refused = refusal(" ".join(words))

    assert str(refused) == "share-malformed: word 7 is none of the words of SLIP-39"


@pytest.mark.parametrize(
    "typed", ["", "academic", "ácademic", shares_of(KEY)[0] + " academic"], ids=range(4)
)
def test_what_is_no_share_is_refused(typed: str) -> None:
    assert refusal(typed).rule is BackupRule.SHARE_MALFORMED


def test_it_is_typed_as_it_was_written_down_or_by_four_letters_of_each_word() -> None:
    share = shares_of(KEY)[1]
    rows = in_rows(Secret(share.encode())).reveal().decode()
    assert rows.splitlines()[0].startswith(" 1 ")

    for typed in (rows, " ".join(word[:4] for word in share.split()), share.upper()):
        [read_back] = read(typed)
        assert read_back.words.reveal().decode() == share
        assert (read_back.number, read_back.needed) == (2, 2)


def test_the_same_share_counts_once() -> None:
    share = shares_of(KEY)[0]

    assert str(refusal(share, share)) == "share-twice: share 1 was typed already"


def test_a_share_of_another_key_is_foreign_even_as_the_first() -> None:
    other = shares_of(KEY, known_by=bytes.fromhex("0a1b2c"))[0]

    assert refusal(other).rule is BackupRule.SHARE_FOREIGN


def test_a_share_of_another_threshold_is_foreign() -> None:
    assert refusal(shares_of(KEY)[0], shares_of(KEY, 3, 4)[1]).rule is BackupRule.SHARE_FOREIGN


def test_shares_of_two_splittings_that_look_alike_make_no_key() -> None:
    one, other = shares_of(KEY)[0], shares_of(KEY)[1]

    with pytest.raises(BackupRefused) as refused:
        join(read(one, other))

    assert refused.value.rule is BackupRule.SHARES_UNFIT
    assert one.split()[5] not in str(refused.value)


def test_a_share_shows_nothing_of_its_words() -> None:
    [made] = read(shares_of(KEY)[0])

    assert re.fullmatch(r"Share\(number=1, needed=2, words=<Secret of \d+ bytes>\)", repr(made))


@given(typed=st.integers(0, WORDS), data=st.data())
def test_a_wrong_word_is_noticed_in_its_line(typed: int, data: st.DataObject) -> None:
    share = split(Secret(KEY), CHECK_VALUE, 2, 3)[0]
    words = share.reveal().decode().split()[:typed]
    missing = f"words {typed + 1} to {WORDS}" if typed < WORDS else ""

    assert still_missing(Secret(" ".join(words).encode()), share) == missing

    if words:
        at = data.draw(st.integers(0, typed - 1))
        words[at] = "acid" if words[at] != "acid" else "acne"
        with pytest.raises(BackupRefused, match=f"word {at + 1} is another one than was shown"):
            still_missing(Secret(" ".join(words).encode()), share)
