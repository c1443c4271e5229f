"""Every protocol, option and level of the card, spoken with a host that has its keys."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pcsc import tlv
from tests.pcsc.apdu import Command
from tests.virtual_token import scp01, scp02, scp03
from tests.virtual_token.card import GET_DATA, STORE_DATA, Card
from tests.virtual_token.changeover import profile
from tests.virtual_token.coprocessor import des3_cbc_encrypt, pad80
from tests.virtual_token.terminal import OK, DesTerminal, Session, open_session

SCP03_OPTIONS = (0x00, 0x10, 0x20, 0x30, 0x60, 0x70)
MODES = [
    *((1, i, level) for i in (0x05, 0x15) for level in sorted(scp01.LEVELS)),
    *((2, i, level) for i in scp02.IMPLEMENTED for level in sorted(scp02.options(i).levels)),
    *(
        (3, i | s16, level)
        for i in SCP03_OPTIONS
        for s16 in (0, 1)
        for level in sorted(scp03.options(i).levels)
    ),
]


def open_card(scp: int, i: int, level: int, length: int = 16) -> tuple[Card, Session]:
    card = Card(replace(profile(scp, i, length), minimum_level=0x00))
    return card, open_session(card.transmit, card.keyring.groups[0], level)


def store(data: bytes) -> Command:
    return Command(0x80, STORE_DATA, 0x90, 0x00, data)


@pytest.mark.parametrize(("scp", "i", "level"), MODES)
def test_both_ends_stay_in_step_over_commands_with_and_without_data_and_errors(
    scp: int, i: int, level: int
) -> None:
    _, session = open_card(scp, i, level, 24 if scp == 3 and i & 0x20 else 16)

    for length in (1, 3, 4, 5, 11, 12, 13, 200):  # with their tags, around whole blocks
        stored = tlv.encode(0xDF20, bytes(range(length)))
        assert session.send(store(stored)) == OK
        assert session.send(Command(0x80, GET_DATA, 0xDF, 0x20, expected=256)) == stored + OK
        assert session.send(Command(0x80, GET_DATA, 0xDF, 0x21)).hex() == "6a88"
        assert session.send(store(b"\xff\xff")).hex() == "6a80"
        assert session.send(Command(0x80, 0xE4, 0x00, 0x00)).hex() == "6d00"


@pytest.mark.parametrize(
    ("scp", "i", "level"), [(1, 0x15, 3), (2, 0x75, 0x13), (3, 0x71, 0x33), (3, 0x60, 0x33)]
)
@given(values=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4))
def test_stored_data_come_back_as_they_were_sent(
    scp: int, i: int, level: int, values: list[bytes]
) -> None:
    _, session = open_card(scp, i, level)

    for number, value in enumerate(values):
        stored = tlv.encode(0xDF20 + number, value)
        assert session.send(store(stored)) == OK
        assert session.send(Command(0x80, GET_DATA, 0xDF, 0x20 + number, expected=256)) == (
            stored + OK
        )


@pytest.mark.parametrize(("scp", "i"), [(1, 0x05), (1, 0x15), (2, 0x05), (2, 0x14), (2, 0x35)])
def test_the_icv_is_encrypted_exactly_where_the_options_say_so(scp: int, i: int) -> None:
    _, session = open_card(scp, i, 0x01)
    assert isinstance(session.terminal, DesTerminal)
    assert session.send(store(bytes.fromhex("DF2001AA"))) == OK
    session.terminal._i ^= 0x10

    command = session.terminal.wrap(store(bytes.fromhex("DF2001AA")))
    assert session.transmit(command).hex() == "6988"


def test_the_base_key_is_the_one_with_identifier_1() -> None:
    card = Card(profile(2, 0x74))
    group = card.keyring.groups[0]
    other_keys = {1: group.keys[1], 2: group.keys[1], 3: group.keys[1]}

    open_session(card.transmit, replace(group, i=0x75, keys=other_keys), 0x13)


def encrypted_by_hand(session: Session, padded: bytes, data: bytes) -> bytes:
    """Return STORE DATA with these bytes encrypted in place of the right ones."""
    terminal = session.terminal
    assert isinstance(terminal, DesTerminal)
    right = Command.parse(terminal.wrap(store(data)))
    body = des3_cbc_encrypt(terminal._enc, padded)
    return replace(right, data=body + right.data[-8:]).encode()


DATA = bytes.fromhex("DF2003AABBCC")
FILLING = bytes.fromhex("DF2004AABBCCDD")  # with its length byte, a whole block


@pytest.mark.parametrize(
    ("padded", "data", "status_word"),
    [
        (b"\x06" + DATA + b"\x80", DATA, "9000"),
        (b"\x07" + FILLING, FILLING, "9000"),
        (b"\x07" + FILLING + pad80(b"", 8), FILLING, "6988"),
        (b"\x06" + DATA + b"\x00", DATA, "6988"),
        (b"\x06" + DATA + b"\x81", DATA, "6988"),
        (b"\x06" + DATA + b"\x80" + bytes(8), DATA, "6988"),
        (b"\x07" + DATA + b"\x80", DATA, "6988"),
        (b"\x05" + DATA + b"\x80", DATA, "6988"),
        (b"\x0f" + FILLING, FILLING, "6988"),
        (b"\xff" + DATA + b"\x80", DATA, "6988"),
        (pad80(DATA, 8), DATA, "6988"),
    ],
)
def test_scp01_wants_the_length_before_the_data_and_padding_only_where_it_is_needed(
    padded: bytes, data: bytes, status_word: str
) -> None:
    _, session = open_card(1, 0x05, 0x03)

    assert session.transmit(encrypted_by_hand(session, padded, data)).hex() == status_word


@pytest.mark.parametrize(("scp", "i", "empty"), [(1, 0x05, b"\x00\x80"), (2, 0x15, b"\x80")])
def test_a_des_card_may_let_a_host_encrypt_an_empty_data_field(
    scp: int, i: int, empty: bytes
) -> None:
    for tolerated in (False, True):
        card = Card(replace(profile(scp, i), encrypted_empty_accepted=tolerated))
        session = open_session(card.transmit, card.keyring.groups[0], 0x03)
        command = encrypted_by_hand(session, empty.ljust(8, b"\x00"), b"")
        assert session.transmit(command).hex() == ("6700" if tolerated else "6988")


def test_data_that_are_no_whole_blocks_cannot_have_been_encrypted() -> None:
    for scp, i in ((1, 0x15), (2, 0x15)):
        _, session = open_card(scp, i, 0x03)
        right = session.terminal.wrap(store(DATA))
        shorter = Command.parse(right)
        cut = replace(shorter, data=shorter.data[1:])
        assert session.transmit(cut.encode()).hex() == "6988"


def test_s16_wants_macs_of_16_bytes() -> None:
    _, session = open_card(3, 0x71, 0x01)
    right = Command.parse(session.terminal.wrap(Command(0x80, GET_DATA, 0x00, 0xE0)))

    assert session.transmit(replace(right, data=right.data[:8]).encode()).hex() == "6988"
