"""Finding the module and the one token that is meant; refusals say what is there."""

from dataclasses import replace
from pathlib import Path

import pytest

from hsm.errors import ModuleUnavailable, TokenNotFound
from hsm.initialisation import initialise_token
from hsm.module import TokenAddress, find_token, load_module
from hsm.secret import Secret
from tests.softhsm.tokens import SO_PIN, USER_PIN


def _refusal(address: TokenAddress) -> str:
    module = load_module(address.module, address.environment)
    with pytest.raises(TokenNotFound) as refusal:
        find_token(module, address)
    return str(refusal.value)


def test_a_missing_module_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "libmissing.so"

    with pytest.raises(ModuleUnavailable, match="No such file or directory") as refusal:
        load_module(missing, {})

    assert str(refusal.value).startswith(f"PKCS#11 module {missing}: ")


def test_a_file_that_is_no_library_is_named(tmp_path: Path) -> None:
    file = tmp_path / "libtext.so"
    file.write_text("not a library\n")

    with pytest.raises(ModuleUnavailable) as refusal:
        load_module(file, {})

    assert str(refusal.value).startswith(f"PKCS#11 module {file}: ")


def test_a_token_is_found_by_label_and_by_label_and_serial_number(
    fresh_token: TokenAddress,
) -> None:
    module = load_module(fresh_token.module, fresh_token.environment)

    for serial in (fresh_token.serial, None):
        found = find_token(module, replace(fresh_token, serial=serial))
        assert found.label == fresh_token.label


def test_a_missing_label_is_refused_with_the_tokens_that_are_there(
    fresh_token: TokenAddress,
) -> None:
    missing = replace(fresh_token, label="no such token", serial=None)

    refusal = _refusal(missing)

    assert refusal.startswith(f"token 'no such token' of {fresh_token.module}: no such token; ")
    assert f"{fresh_token.label!r} (serial {fresh_token.serial})" in refusal


def test_another_serial_number_is_refused_with_the_right_one(fresh_token: TokenAddress) -> None:
    refusal = _refusal(replace(fresh_token, serial="0000000000000000"))

    assert refusal.startswith(f"token {fresh_token.label!r}, serial 0000000000000000 of ")
    assert f"(serial {fresh_token.serial})" in refusal


def test_of_two_tokens_with_one_label_the_serial_number_tells_which(
    fresh_token: TokenAddress,
) -> None:
    twin = initialise_token(fresh_token, Secret(SO_PIN), Secret(USER_PIN))
    module = load_module(fresh_token.module, fresh_token.environment)

    assert "several tokens fit" in _refusal(replace(fresh_token, serial=None))
    for serial in (twin, fresh_token.serial):
        found = find_token(module, replace(fresh_token, serial=serial))
        assert bytes(found.serial).decode().strip("\0 ") == serial
