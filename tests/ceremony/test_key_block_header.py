"""Which headers of key blocks are let pass, and by which rule others are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psec import tr31

from hsm.keys import AES_256, DES2
from tests import vectors
from tmsd.ceremony.key_block import (
    key_block,
    passing_header,
    read_key_block,
    require_fit,
    require_version,
)
from tmsd.ceremony.key_step import KeyPurpose
from tmsd.ceremony.wanted_key import Backup
from tmsd.ceremony.wrapped_key_refusal import WrappedKeyRefused, WrappedKeyRule
from tmsd.config.key_sets import KeyAlgorithm


def text_of(header: tr31.Header) -> str:
    """Return a key block that no key protects: nothing but its header is looked at here."""
    return header.dump(32) + "5A" * 64


def with_optional(*names: str) -> str:
    header = tr31.Header("D", "E5", "A", "X")
    header.blocks.update(dict.fromkeys(names, "0011"))
    return text_of(header)


BLOCK = text_of(tr31.Header("D", "E5", "A", "X", "00", "E"))
MANY = "D0240E5AX00E0900" + "LB080011" * 8 + "PB20" + "0" * 28 + "5A" * 64


def changed(at: int, text: str) -> str:
    return BLOCK[:at] + text + BLOCK[at + len(text) :]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", WrappedKeyRule.BLOCK_VERSION),
        (changed(0, "A"), WrappedKeyRule.BLOCK_VERSION),
        (changed(0, "C"), WrappedKeyRule.BLOCK_VERSION),
        (changed(0, "E"), WrappedKeyRule.BLOCK_VERSION),
        (changed(1, "0160"), WrappedKeyRule.BLOCK_LENGTH),
        (changed(1, " 144"), WrappedKeyRule.BLOCK_LENGTH),
        (BLOCK[:-2], WrappedKeyRule.BLOCK_LENGTH),
        (BLOCK + "00", WrappedKeyRule.BLOCK_LENGTH),
        ("D0015E5AX00E000", WrappedKeyRule.BLOCK_MALFORMED),
        ("D0064E5AX00E0000" + "00" * 24, WrappedKeyRule.BLOCK_MALFORMED),
        ("D0016E5AX00E0000", WrappedKeyRule.BLOCK_MALFORMED),
        (changed(5, "é"), WrappedKeyRule.BLOCK_MALFORMED),
        (changed(5, "E-"), WrappedKeyRule.BLOCK_MALFORMED),
        (changed(12, "0x"), WrappedKeyRule.BLOCK_MALFORMED),
        (changed(12, "02"), WrappedKeyRule.BLOCK_MALFORMED),
        (changed(40, "xy"), WrappedKeyRule.BLOCK_MALFORMED),
        (changed(40, "  "), WrappedKeyRule.BLOCK_MALFORMED),
        (changed(14, "01"), WrappedKeyRule.BLOCK_RESERVED),
        (with_optional("KS"), WrappedKeyRule.BLOCK_OPTION),
        (with_optional("KC", "HM"), WrappedKeyRule.BLOCK_OPTION),
        (with_optional("10"), WrappedKeyRule.BLOCK_OPTION),
        (MANY, WrappedKeyRule.BLOCK_OPTION),
    ],
)
def test_a_key_block_that_is_none_is_refused_by_the_rule_that_it_breaks(
    text: str, rule: WrappedKeyRule
) -> None:
    with pytest.raises(WrappedKeyRefused) as refused:
        read_key_block(text.encode())

    assert refused.value.rule is rule
    assert BLOCK[16:] not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"usage": "P0"}, WrappedKeyRule.BLOCK_USAGE),
        ({"usage": "E0"}, WrappedKeyRule.BLOCK_USAGE),
        ({"usage": "K0"}, WrappedKeyRule.BLOCK_USAGE),
        ({"mode": "E"}, WrappedKeyRule.BLOCK_MODE),
        ({"algorithm": "T"}, WrappedKeyRule.BLOCK_ALGORITHM),
        ({"algorithm": "D"}, WrappedKeyRule.BLOCK_ALGORITHM),
        ({"version": "c1"}, WrappedKeyRule.BLOCK_COMPONENT),
        ({"exportability": "X"}, WrappedKeyRule.BLOCK_EXPORTABILITY),
    ],
)
def test_a_key_for_something_else_is_refused_by_the_field_that_says_so(
    changes: dict[str, str], rule: WrappedKeyRule
) -> None:
    fields = {"usage": "E5", "algorithm": "A", "mode": "X", "version": "00", "exportability": "E"}
    header = tr31.Header("D", *(fields | changes).values())
    block = read_key_block(text_of(header).encode())

    with pytest.raises(WrappedKeyRefused) as refused:
        require_fit(block, KeyPurpose.MASTER, KeyAlgorithm.AES256, Backup.NONE)

    assert refused.value.rule is rule


def test_a_key_that_may_not_be_exported_has_no_backup() -> None:
    block = read_key_block(text_of(tr31.Header("D", "E5", "A", "X", "00", "N")).encode())

    require_fit(block, KeyPurpose.MASTER, KeyAlgorithm.AES256, Backup.NONE)
    with pytest.raises(WrappedKeyRefused, match=r"key-block-exportability: .* backup = none"):
        require_fit(block, KeyPurpose.MASTER, KeyAlgorithm.AES256, Backup.QUORUM)


def test_optional_blocks_that_inform_are_let_pass_and_bound_by_the_mac() -> None:
    text = with_optional("KC", "TS")

    block = read_key_block(text.encode() + b"\r\n")

    assert block.options == ("KC", "TS")
    assert block.sealed.header == text[: len(block.sealed.header)].encode()
    assert len(block.sealed.header) == 32
    assert block.fixed_header == text[:16]


def test_a_version_is_that_of_the_protecting_key() -> None:
    published = {v["id"]: v["key_block"] for v in vectors.read("key_blocks.json")}
    aes, des = (
        read_key_block(published[name].encode()) for name in ("payshield-d-aes", "payshield-b")
    )

    require_version(aes, AES_256)
    require_version(des, DES2)
    for block, key in ((aes, DES2), (des, AES_256)):
        with pytest.raises(WrappedKeyRefused, match="key-block-version"):
            require_version(block, key)


@pytest.mark.parametrize("purpose", KeyPurpose)
@pytest.mark.parametrize("algorithm", KeyAlgorithm)
@pytest.mark.parametrize("protection", [AES_256, DES2], ids=["D", "B"])
def test_a_header_that_is_made_is_let_pass(
    purpose: KeyPurpose, algorithm: KeyAlgorithm, protection: object
) -> None:
    shape = AES_256 if protection is AES_256 else DES2
    header = passing_header(purpose, algorithm, shape, 24)
    content = header + b"00" * (int(header[1:5]) - len(header) >> 1)

    block = read_key_block(content)

    require_version(block, shape)
    require_fit(block, purpose, algorithm, Backup.QUORUM)
    assert key_block(block.sealed) == content


@given(st.text(st.characters(max_codepoint=0x7F)) | st.text(), st.integers(0, len(BLOCK)))
def test_whatever_is_put_into_a_key_block_is_read_or_refused_by_a_rule(text: str, at: int) -> None:
    content = f"{BLOCK[:at]}{text}{BLOCK[at:]}"
    sized = f"D{len(content):04}{content[5:]}".encode()

    for given_content in (content.encode(), sized):
        try:
            block = read_key_block(given_content)
        except WrappedKeyRefused as refused:
            assert str(refused).startswith("key-block-")  # noqa: PT017  either is right
        else:
            assert key_block(block.sealed).upper() == given_content.strip(b"\r\n").upper()
