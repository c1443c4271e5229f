"""APDUs, data objects and vpcd messages: what is written is read back."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pcsc import tlv, vpcd
from tests.pcsc.apdu import Command, Refusal, StatusWord

byte = st.integers(0, 255)
commands = st.builds(
    Command,
    cla=byte,
    ins=byte,
    p1=byte,
    p2=byte,
    data=st.binary(max_size=255),
    expected=st.none() | st.integers(1, 256),
)
tags = st.one_of(
    st.integers(1, 0xFF).filter(lambda tag: tag & 0x1F != 0x1F),
    st.builds(lambda first, second: (first | 0x1F) << 8 | second, byte, st.integers(0x1F, 0x7F)),
)
data_objects = st.builds(tlv.DataObject, tag=tags, value=st.binary(max_size=400))


@given(commands)
def test_every_command_of_cases_1_to_4_is_read_back(command: Command) -> None:
    assert Command.parse(command.encode()) == command


@given(st.binary(max_size=300))
def test_bytes_are_a_command_of_the_same_bytes_or_of_wrong_length(apdu: bytes) -> None:
    try:
        command = Command.parse(apdu)
    except Refusal as refusal:
        assert refusal.status_word == StatusWord.WRONG_LENGTH  # noqa: PT017 - one of two outcomes
    else:
        assert command.encode() == apdu


@given(st.lists(data_objects, max_size=4))
def test_every_series_of_data_objects_is_read_back(objects: list[tlv.DataObject]) -> None:
    assert tlv.parse(b"".join(found.encode() for found in objects)) == objects


@given(st.binary(max_size=40))
def test_bytes_are_data_objects_of_the_same_bytes_or_refused(data: bytes) -> None:
    try:
        objects = tlv.parse(data)
    except ValueError:
        return
    assert b"".join(found.encode() for found in objects) == data


@pytest.mark.parametrize(
    "data", ["00", "00FF", "42", "4201", "1F", "1F0100", "1F8100", "428101FF", "4280", "42840000"]
)
def test_ill_formed_data_objects_are_refused(data: str) -> None:
    with pytest.raises(ValueError, match=r"tag|length|cut short|ends after"):
        tlv.parse(bytes.fromhex(data))


@given(st.lists(st.binary(max_size=300), max_size=4), st.integers(1, 7))
def test_vpcd_messages_are_read_however_the_network_cuts_them(
    bodies: list[bytes], piece: int
) -> None:
    stream = io.BytesIO(b"".join(vpcd.encode_message(body) for body in bodies))

    def receive(length: int) -> bytes:
        return stream.read(min(length, piece))

    assert [vpcd.read_message(receive) for _ in bodies] == bodies
    assert vpcd.read_message(receive) is None


@pytest.mark.parametrize("cut", ["00", "0002", "000201"])
def test_a_stream_that_ends_within_a_vpcd_message_is_an_error(cut: str) -> None:
    with pytest.raises(EOFError):
        vpcd.read_message(io.BytesIO(bytes.fromhex(cut)).read)
