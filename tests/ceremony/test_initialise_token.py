"""Initialising a token, and logging in to the one that the configuration names."""

from pathlib import Path

import pytest

from hsm.errors import CredentialUnavailable, HsmError, PinRefused, TokenNotFound
from hsm.module import TokenAddress
from hsm.pin_latch import PinLatch
from hsm.token import open_token
from tests.ceremony.every_step import room_of
from tests.softhsm.tokens import USER_PIN, SoftHsm
from tmsd.ceremony.configured_token import configured_token, token_address
from tmsd.ceremony.steps.initialise_token import (
    InitialiseToken,
    initialise_token,
    random_pin,
)
from tmsd.config.hsm import HsmConfig


def config(address: TokenAddress, pin_file: Path) -> HsmConfig:
    return HsmConfig(
        module=address.module,
        token_label=address.label,
        token_serial=address.serial,
        pin_file=pin_file,
        environment=dict(address.environment),
        latch_file=pin_file.with_name("latch"),
    )


@pytest.fixture
def pin_file(tmp_path: Path) -> Path:
    file = tmp_path / "pin"
    file.write_bytes(USER_PIN)
    file.chmod(0o400)
    return file


def test_a_new_token_takes_the_pin_that_it_was_given(softhsm: SoftHsm) -> None:
    address = TokenAddress(softhsm.module, "a new token", environment=softhsm.environment)
    so_pin, user_pin = random_pin(), random_pin()
    made = initialise_token(address, so_pin, user_pin)
    assert made.label == "a new token"
    serial = TokenAddress(softhsm.module, made.label, made.serial, softhsm.environment)
    with open_token(serial, user_pin) as token:
        assert token.list_keys() == []


def test_who_is_killed_in_the_first_login_is_not_locked_out(
    softhsm: SoftHsm, tmp_path: Path
) -> None:
    blank = TokenAddress(softhsm.module, "another new token", environment=softhsm.environment)
    where = room_of(tmp_path, blank)
    (tmp_path / "pin").unlink()
    made = InitialiseToken(do="initialise-token").perform(where)
    latch = PinLatch(tmp_path / "latch")
    with pytest.raises(KeyboardInterrupt), latch.locked(), latch.trying(tmp_path / "pin"):
        raise KeyboardInterrupt

    with where.token() as token:
        assert token.serial == made["serial"]


def test_a_label_of_more_than_32_bytes_is_refused(softhsm: SoftHsm) -> None:
    address = TokenAddress(softhsm.module, "é" * 17, environment=softhsm.environment)
    with pytest.raises(HsmError, match="1 to 32 bytes, not 34"):
        initialise_token(address, random_pin(), random_pin())


def test_random_pins_differ_and_have_128_bits() -> None:
    with random_pin() as first, random_pin() as second:
        assert first != second
        assert len(bytes.fromhex(first.decode())) == 16


def test_the_configured_token_is_opened_with_the_configured_pin(
    fresh_token: TokenAddress, pin_file: Path
) -> None:
    hsm = config(fresh_token, pin_file)
    assert token_address(hsm) == fresh_token
    with configured_token(hsm) as token:
        assert len(token.random(8)) == 8


def test_a_pin_that_others_can_read_is_not_used(fresh_token: TokenAddress, pin_file: Path) -> None:
    pin_file.chmod(0o440)
    with (
        pytest.raises(CredentialUnavailable, match="must be 0400"),
        configured_token(config(fresh_token, pin_file)),
    ):
        pass


def test_a_wrong_pin_and_a_missing_token_are_told_apart(
    fresh_token: TokenAddress, pin_file: Path
) -> None:
    absent = TokenAddress(fresh_token.module, "absent", None, fresh_token.environment)
    with pytest.raises(TokenNotFound), configured_token(config(absent, pin_file)):
        pass
    pin_file.chmod(0o600)
    pin_file.write_bytes(b"another PIN")
    pin_file.chmod(0o400)
    with pytest.raises(PinRefused), configured_token(config(fresh_token, pin_file)):
        pass
