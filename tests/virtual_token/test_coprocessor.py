"""Padding: what is put on comes off again."""

from hypothesis import given
from hypothesis import strategies as st

from tests.virtual_token.coprocessor import pad80, unpad80


@given(st.binary(max_size=64), st.sampled_from([8, 16]))
def test_padding_fills_whole_blocks_and_comes_off_again(data: bytes, block: int) -> None:
    padded = pad80(data, block)

    assert len(padded) % block == 0
    assert 0 < len(padded) - len(data) <= block
    assert unpad80(padded) == data
