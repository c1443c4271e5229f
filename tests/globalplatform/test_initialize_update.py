"""Answers to INITIALIZE UPDATE: the layouts that are served, and everything else."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.fuzz.refusals import require
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse, parse

BYTE = st.integers(0, 0xFF)
STATUS = st.sampled_from([b"", b"\x90\x00"])


def _bytes(*lengths: int) -> st.SearchStrategy[bytes]:
    return st.sampled_from(lengths).flatmap(lambda n: st.binary(min_size=n, max_size=n))


SCP02_CARDS = st.builds(
    InitializeUpdateResponse,
    diversification_data=_bytes(10),
    key_version=BYTE,
    scp=st.just(0x02),
    i=st.none(),
    sequence_counter=_bytes(2),
    card_challenge=_bytes(6),
    card_cryptogram=_bytes(8),
)
SCP01_CARDS = st.builds(
    InitializeUpdateResponse,
    diversification_data=_bytes(10),
    key_version=BYTE,
    scp=st.just(0x01),
    i=st.none(),
    sequence_counter=st.just(b""),
    card_challenge=_bytes(8),
    card_cryptogram=_bytes(8),
)


def _scp03_cards(length: int) -> st.SearchStrategy[InitializeUpdateResponse]:
    """Return cards with challenges of this length, which bit 01 of i tells."""
    return st.builds(
        InitializeUpdateResponse,
        diversification_data=_bytes(10),
        key_version=BYTE,
        scp=st.just(0x03),
        i=BYTE.map(lambda i: i & ~1 | (length == 16)),
        sequence_counter=_bytes(0, 3),
        card_challenge=_bytes(length),
        card_cryptogram=_bytes(length),
    )


SCP03_CARDS = _scp03_cards(8) | _scp03_cards(16)


@settings(deadline=None)
@given(card=SCP01_CARDS, status=STATUS)
def test_an_scp01_answer_is_read_field_by_field(
    card: InitializeUpdateResponse, status: bytes
) -> None:
    head = card.diversification_data + bytes([card.key_version, 0x01])

    assert parse(head + card.card_challenge + card.card_cryptogram + status) == card


@settings(deadline=None)
@given(card=SCP02_CARDS, status=STATUS)
def test_an_scp02_answer_is_read_field_by_field(
    card: InitializeUpdateResponse, status: bytes
) -> None:
    head = card.diversification_data + bytes([card.key_version, 0x02])

    answer = head + card.sequence_counter + card.card_challenge + card.card_cryptogram

    assert parse(answer + status) == card


@settings(deadline=None)
@given(card=SCP03_CARDS, status=STATUS)
def test_an_scp03_answer_is_read_field_by_field(
    card: InitializeUpdateResponse, status: bytes
) -> None:
    head = card.diversification_data + bytes([card.key_version, 0x03, card.i or 0])

    answer = head + card.card_challenge + card.card_cryptogram + card.sequence_counter

    assert parse(answer + status) == card


@settings(deadline=None)
@given(answer=st.binary(max_size=60))
@example(bytes(11) + b"\x02" + bytes(16))
@example(bytes(11) + b"\x03" + bytes(20))
@example(bytes(11) + b"\x01" + bytes(16))
def test_any_bytes_are_read_or_refused(answer: bytes) -> None:
    try:
        card = parse(answer)
    except ServiceError as refusal:
        require(refusal, Code.INITIALIZE_UPDATE_INVALID, Code.PROTOCOL_MISMATCH)
    else:
        assert len(card.card_cryptogram) == (16 if (card.i or 0) & 1 else 8)


@pytest.mark.parametrize("scp", [1, 2])
@pytest.mark.parametrize("length", [*range(12, 28), 29, 31, 32, 45, 48])
def test_an_answer_of_scp01_or_scp02_of_another_length_than_28_is_refused(
    scp: int, length: int
) -> None:
    with pytest.raises(ServiceError) as refusal:
        parse((bytes(11) + bytes([scp])).ljust(length, b"\x01"))

    assert refusal.value.code is Code.INITIALIZE_UPDATE_INVALID
    assert f"28 bytes, not {length}" in refusal.value.detail


@pytest.mark.parametrize("length", [12, 28, 30, 31, 33, 44, 45, 46, 48, 49])
def test_an_scp03_answer_of_another_length_than_29_or_32_is_refused(length: int) -> None:
    with pytest.raises(ServiceError) as refusal:
        parse((bytes(11) + b"\x03").ljust(length, b"\x70"))

    assert refusal.value.code is Code.INITIALIZE_UPDATE_INVALID
    assert f"29 or 32 bytes, not {length}" in refusal.value.detail


@pytest.mark.parametrize("length", [28, 29, 32, 44, 46, 47, 49])
def test_an_s16_answer_of_another_length_than_45_or_48_is_refused(length: int) -> None:
    with pytest.raises(ServiceError) as refusal:
        parse((bytes(11) + b"\x03").ljust(length, b"\x71"))

    assert refusal.value.code is Code.INITIALIZE_UPDATE_INVALID
    assert f"i=71 answers with 45 or 48 bytes, not {length}" in refusal.value.detail


@pytest.mark.parametrize("scp", [0x00, 0x04, 0x10, 0x11, 0x80, 0xFF])
def test_another_protocol_is_named(scp: int) -> None:
    with pytest.raises(ServiceError, match=f"SCP{scp:02x}") as refusal:
        parse(bytes(11) + bytes([scp]) + bytes(16))

    assert refusal.value.code is Code.PROTOCOL_MISMATCH


def test_a_cryptogram_that_ends_in_9000_is_not_taken_for_a_status_word() -> None:
    answer = bytes(11) + b"\x02" + bytes(14) + b"\x90\x00"

    assert parse(answer).card_cryptogram == bytes(6) + b"\x90\x00"
    assert parse(answer + b"\x90\x00") == parse(answer)
