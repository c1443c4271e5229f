"""Whatever an operation makes in the token is gone after it, however it ends."""

import pytest

from hsm.attributes import AES_CARD_KEY, SESSION_ENC_KEY
from hsm.ciphers import encrypt_ecb
from hsm.errors import KeyUnsuitable, TokenLost
from hsm.kdf import derive_cmac_counter, derive_ecb
from hsm.keys import AES_128, AES_256, TokenKey
from hsm.operation import Operation
from hsm.token import Token


def test_derived_keys_are_there_during_the_operation_and_gone_after_it(
    hsm_token: Token, aes_master: TokenKey
) -> None:
    before = _count(hsm_token)
    with hsm_token.operation() as operation:
        keys = _derive(operation, aes_master)
        assert _count(hsm_token) == before + len(keys) == before + 3

    assert _count(hsm_token) == before


def test_derived_keys_are_gone_after_an_error(hsm_token: Token, aes_master: TokenKey) -> None:
    before = _count(hsm_token)

    with pytest.raises(KeyUnsuitable), hsm_token.operation() as operation:
        # Session encryption keys do not derive.
        _derive(operation, _derive(operation, aes_master)[0])

    assert _count(hsm_token) == before


def test_one_key_that_cannot_be_destroyed_keeps_no_other(
    hsm_token: Token, aes_master: TokenKey
) -> None:
    before = _count(hsm_token)

    with pytest.raises(TokenLost, match="HandleInvalid"), hsm_token.operation() as operation:
        _derive(operation, aes_master)[1].handle.destroy()

    assert _count(hsm_token) == before


def _fail_and_spoil_the_end(operation: Operation, master: TokenKey) -> None:
    keys = _derive(operation, master)
    keys[1].handle.destroy()
    _derive(operation, keys[0])


def test_the_error_of_the_operation_comes_before_one_of_clearing_up(
    hsm_token: Token, aes_master: TokenKey
) -> None:
    before = _count(hsm_token)

    with pytest.raises(KeyUnsuitable), hsm_token.operation() as operation:
        _fail_and_spoil_the_end(operation, aes_master)

    assert _count(hsm_token) == before


def test_a_handle_is_of_no_use_after_its_operation(hsm_token: Token, aes_master: TokenKey) -> None:
    with hsm_token.operation() as operation:
        key = derive_ecb(operation, aes_master, bytes(16), AES_128, SESSION_ENC_KEY)

    with pytest.raises(TokenLost, match="HandleInvalid"):
        encrypt_ecb(key, bytes(16))


def test_operations_within_each_other_end_their_own_keys(
    hsm_token: Token, aes_master: TokenKey
) -> None:
    with hsm_token.operation() as outer:
        kept = derive_ecb(outer, aes_master, bytes(32), AES_256, AES_CARD_KEY)
        with hsm_token.operation() as inner:
            derive_ecb(inner, kept, bytes(16), AES_128, SESSION_ENC_KEY)

        assert len(encrypt_ecb(kept, bytes(16))) == 16


def test_persistent_keys_outlive_an_operation(hsm_token: Token, aes_master: TokenKey) -> None:
    before = encrypt_ecb(aes_master, bytes(16))

    with hsm_token.operation() as operation:
        _derive(operation, aes_master)

    assert encrypt_ecb(aes_master, bytes(16)) == before


def _derive(operation: Operation, base: TokenKey) -> list[TokenKey]:
    messages = [[b"one"], [b"two"], [b"three"]]
    return derive_cmac_counter(operation, base, messages, AES_128, SESSION_ENC_KEY)


def _count(token: Token) -> int:
    return len(list(token.session.get_objects()))
