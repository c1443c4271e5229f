"""Short command APDUs: reading, writing, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.refusals import require
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform import apdu
from tmsd.globalplatform.apdu import CommandApdu

BYTE = st.integers(0, 0xFF)
COMMANDS = st.builds(
    CommandApdu,
    BYTE,
    BYTE,
    BYTE,
    BYTE,
    st.binary(max_size=apdu.MAX_DATA),
    st.none() | st.integers(1, 256),
)


@settings(deadline=None)
@given(command=COMMANDS)
def test_a_command_is_read_as_it_was_written(command: CommandApdu) -> None:
    assert apdu.parse(bytes(command)) == command


@settings(deadline=None)
@given(received=st.binary(max_size=300))
def test_any_bytes_are_read_completely_or_refused(received: bytes) -> None:
    try:
        command = apdu.parse(received)
    except ServiceError as refusal:
        require(refusal, Code.APDU_INVALID)
    else:
        assert bytes(command) == received


@pytest.mark.parametrize(
    ("received", "command"),
    [
        ("80500000", CommandApdu(0x80, 0x50, 0, 0)),
        ("80ca006600", CommandApdu(0x80, 0xCA, 0, 0x66, le=256)),
        ("80e40000024f00", CommandApdu(0x80, 0xE4, 0, 0, b"\x4f\x00")),
        ("00a4040000", CommandApdu(0x00, 0xA4, 4, 0, le=256)),
        ("80f28002024f0010", CommandApdu(0x80, 0xF2, 0x80, 2, b"\x4f\x00", 16)),
    ],
    ids=["case 1", "case 2", "case 3", "case 2 of SELECT", "case 4"],
)
def test_the_four_cases_are_read(received: str, command: CommandApdu) -> None:
    assert apdu.parse(bytes.fromhex(received)) == command


@pytest.mark.parametrize(
    ("received", "reason"),
    [
        ("", "0 bytes are fewer than the header's four"),
        ("805000", "3 bytes are fewer than the header's four"),
        ("80e2000000ff00", "Lc is 00: extended lengths are not served"),
        ("80e20000050102", "Lc announces 5 bytes, and 2 follow"),
        ("80e200000201020304", "Lc announces 2 bytes, and 4 follow"),
    ],
)
def test_a_refusal_says_what_is_wrong(received: str, reason: str) -> None:
    with pytest.raises(ServiceError) as refusal:
        apdu.parse(bytes.fromhex(received))

    assert refusal.value.detail == f"not a short command APDU: {reason}"


@settings(deadline=None)
@given(cla=BYTE)
def test_secure_messaging_goes_on_plain_classes_of_channels_0_to_3_alone(cla: int) -> None:
    command = CommandApdu(cla, 0xE4, 0, 0)

    if cla & 0x4C:
        with pytest.raises(ServiceError) as refusal:
            apdu.require_unprotected(command)
        assert refusal.value.code is Code.APDU_INVALID
        assert f"class {cla:02x}" in refusal.value.detail
    else:
        apdu.require_unprotected(command)
        assert command.channel == cla & 0x03
