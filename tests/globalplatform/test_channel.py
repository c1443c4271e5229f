"""What the protocols share: padding, cryptograms, and one shape of module."""

import inspect
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.refusals import require
from tests.vectors import Vector, each
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.channel import SecurityLevel, pad, require_card_cryptogram, unpad
from tmsd.globalplatform.protocols import PROTOCOLS, SecureChannelProtocol


@each("scp02_calculations.json", kind="padding")
def test_padding_is_as_published(vector: Vector) -> None:
    assert pad(vector.bytes("data"), vector["block"]).hex() == vector["padded"]


@settings(deadline=None)
@given(data=st.binary(max_size=300), block=st.sampled_from([8, 16]))
def test_padding_fills_the_last_block_and_can_be_taken_off(data: bytes, block: int) -> None:
    padded = pad(data, block)

    assert len(padded) % block == 0
    assert 1 <= len(padded) - len(data) <= block
    assert padded.rstrip(b"\x00")[:-1] == data
    assert padded.rstrip(b"\x00")[-1:] == b"\x80"


@settings(deadline=None)
@given(cryptogram=st.binary(min_size=8, max_size=8), bit=st.integers(0, 63))
def test_a_cryptogram_that_differs_in_one_bit_is_refused(cryptogram: bytes, bit: int) -> None:
    other = (int.from_bytes(cryptogram) ^ 1 << bit).to_bytes(8)

    require_card_cryptogram(cryptogram, cryptogram)
    with pytest.raises(ServiceError) as refusal:
        require_card_cryptogram(cryptogram, other)
    assert refusal.value.code is Code.CARD_CRYPTOGRAM_MISMATCH


@pytest.mark.parametrize("scp", PROTOCOLS)
def test_each_protocol_is_a_module_with_every_name_of_the_shape_in_its_order(scp: int) -> None:
    module = PROTOCOLS[scp]
    shape = [name for name in vars(SecureChannelProtocol) if not name.startswith("_")]

    assert isinstance(module, ModuleType)
    functions = [name for name in shape if inspect.isfunction(getattr(module, name))]
    assert [name for name in vars(module) if name in functions] == functions
    assert module.IMPLEMENTATIONS
    assert isinstance(module.DEK_IS_STATIC, bool)


@pytest.mark.parametrize("scp", PROTOCOLS)
def test_every_level_of_every_implementation_has_a_c_mac(scp: int) -> None:
    protocol = PROTOCOLS[scp]

    for i in protocol.IMPLEMENTATIONS:
        levels = protocol.levels(i)
        assert SecurityLevel.C_MAC in levels
        assert all(level & SecurityLevel.C_MAC for level in levels)
        assert protocol.challenge_length(i) in (8, 16)


@settings(deadline=None)
@given(data=st.binary(max_size=64))
def test_padding_that_is_there_is_taken_off_and_what_has_none_ends_the_channel(
    data: bytes,
) -> None:
    assert unpad(pad(data, 16)) == data
    try:
        stripped = unpad(data)
    except ServiceError as refusal:
        require(refusal, Code.SESSION_CLOSED)
    else:
        assert data == stripped + b"\x80" + bytes(len(data) - len(stripped) - 1)
