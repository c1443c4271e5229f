"""A PIN that was refused is not tried again until somebody says so."""

from contextlib import suppress
from pathlib import Path

import pytest
from pkcs11 import TokenFlag

from hsm.errors import CredentialUnavailable, PinLatched, TokenLost
from hsm.pin_latch import PinLatch

WELL = TokenFlag.TOKEN_INITIALIZED | TokenFlag.USER_PIN_INITIALIZED


@pytest.fixture
def latch(tmp_path: Path) -> PinLatch:
    return PinLatch(tmp_path / "latch")


def close(latch: PinLatch, pin_file: Path | None = None) -> None:
    with latch.locked():
        latch.close("the token refused it", pin_file)


def test_is_open_at_first_and_its_file_is_its_owners_alone(latch: PinLatch, tmp_path: Path) -> None:
    with latch.locked():
        latch.require_open(WELL, None)

    assert latch.state() is None
    assert (tmp_path / "latch").stat().st_mode & 0o777 == 0o600


def test_stays_closed_once_a_pin_was_refused(latch: PinLatch, tmp_path: Path) -> None:
    close(latch)

    for _ in range(3):
        another = PinLatch(tmp_path / "latch")
        with (
            another.locked(),
            pytest.raises(PinLatched, match=r"the token refused it .* tmsctl hsm unlatch"),
        ):
            another.require_open(WELL, None)


@pytest.mark.parametrize("flag", [TokenFlag.USER_PIN_COUNT_LOW, TokenFlag.USER_PIN_FINAL_TRY])
def test_is_closed_while_the_token_says_that_a_wrong_pin_was_tried(
    latch: PinLatch, flag: TokenFlag
) -> None:
    with (
        latch.locked(),
        pytest.raises(PinLatched, match=r"wrong PIN was tried before|one last try"),
    ):
        latch.require_open(WELL | flag, None)


def test_lets_one_try_pass_when_it_was_unlatched(latch: PinLatch) -> None:
    close(latch)
    told = latch.unlatch()

    with latch.locked():
        latch.require_open(WELL | TokenFlag.USER_PIN_FINAL_TRY, None)
        with latch.trying(None):
            pass

    assert told is not None
    assert told.reason == "the token refused it"
    with latch.locked(), pytest.raises(PinLatched):
        latch.require_open(WELL | TokenFlag.USER_PIN_COUNT_LOW, None)


def test_does_not_let_a_locked_pin_pass_for_anything(latch: PinLatch) -> None:
    latch.unlatch()

    with latch.locked(), pytest.raises(PinLatched, match="has locked its user PIN"):
        latch.require_open(WELL | TokenFlag.USER_PIN_LOCKED, None)


def test_opens_for_a_pin_file_that_was_written_after_the_refusal(
    latch: PinLatch, tmp_path: Path
) -> None:
    pin_file = tmp_path / "pin"
    pin_file.write_bytes(b"1")
    close(latch, pin_file)
    with latch.locked(), pytest.raises(PinLatched):
        latch.require_open(WELL, pin_file)

    while pin_file.stat().st_ctime_ns <= getattr(latch.state(), "at_ns", 0):
        pin_file.write_bytes(b"2")

    with latch.locked():
        latch.require_open(WELL, pin_file)


def test_stays_closed_for_the_refused_file_when_the_clock_was_set_back(
    latch: PinLatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin_file = tmp_path / "pin"
    pin_file.write_bytes(b"1")
    hour_ago = pin_file.stat().st_ctime_ns - 3600 * 10**9
    monkeypatch.setattr("hsm.pin_latch.time.time_ns", lambda: hour_ago)
    close(latch, pin_file)

    with latch.locked(), pytest.raises(PinLatched):
        latch.require_open(WELL, pin_file)


def test_keeps_the_last_try_of_a_token_from_a_file_that_was_only_touched(
    latch: PinLatch, tmp_path: Path
) -> None:
    pin_file = tmp_path / "pin"
    pin_file.write_bytes(b"1")
    close(latch, pin_file)
    while pin_file.stat().st_ctime_ns <= getattr(latch.state(), "at_ns", 0):
        pin_file.chmod(0o400)

    with latch.locked(), pytest.raises(PinLatched, match="one last try"):
        latch.require_open(WELL | TokenFlag.USER_PIN_FINAL_TRY, pin_file)
    latch.unlatch()
    with latch.locked():
        latch.require_open(WELL | TokenFlag.USER_PIN_FINAL_TRY, pin_file)


def test_stays_closed_without_the_pin_file(latch: PinLatch, tmp_path: Path) -> None:
    close(latch, tmp_path / "none")

    with latch.locked(), pytest.raises(PinLatched, match="the token refused it"):
        latch.require_open(WELL, tmp_path / "none")


def test_is_taken_for_closed_when_its_file_is_damaged(latch: PinLatch, tmp_path: Path) -> None:
    for damage in (b"{", b"[]", b"\xff\xfe", b'"text"'):
        (tmp_path / "latch").write_bytes(damage)
        with latch.locked(), pytest.raises(PinLatched, match="damaged"):
            latch.require_open(WELL, None)


def test_says_which_file_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "latch").symlink_to("elsewhere")

    with (
        pytest.raises(CredentialUnavailable, match="PIN latch"),
        PinLatch(tmp_path / "latch").locked(),
    ):
        pass


class TestATryThatDidNotComeToAnEnd:
    """Its process was killed, or hung and was ended, between C_Login and the latch's file."""

    def test_counts_as_refused(self, latch: PinLatch, tmp_path: Path) -> None:
        pin_file = tmp_path / "pin"
        pin_file.write_bytes(b"1")
        end_in_a_try(latch, pin_file)

        with latch.locked(), pytest.raises(PinLatched, match=r"may have been refused: .* unlatch"):
            latch.require_open(WELL, pin_file)

    def test_is_harmless_with_the_pin_that_the_token_took_last(
        self, latch: PinLatch, tmp_path: Path
    ) -> None:
        pin_file = tmp_path / "pin"
        pin_file.write_bytes(b"1")
        succeed(latch, pin_file)

        for _ in range(3):
            end_in_a_try(latch, pin_file)
            with latch.locked():
                latch.require_open(WELL, pin_file)

    def test_counts_as_refused_with_another_pin_than_the_token_took_last(
        self, latch: PinLatch, tmp_path: Path
    ) -> None:
        pin_file = tmp_path / "pin"
        pin_file.write_bytes(b"1")
        succeed(latch, pin_file)
        taken = pin_file.stat().st_ctime_ns
        while pin_file.stat().st_ctime_ns == taken:
            pin_file.write_bytes(b"2")
        end_in_a_try(latch, pin_file)

        with latch.locked(), pytest.raises(PinLatched, match="may have been refused"):
            latch.require_open(WELL, pin_file)

    def test_with_a_credential_is_harmless_once_the_token_took_one(self, latch: PinLatch) -> None:
        succeed(latch, None)
        end_in_a_try(latch, None)

        with latch.locked():
            latch.require_open(WELL, None)

    def test_after_unlatching_was_the_one_try(self, latch: PinLatch) -> None:
        close(latch)
        latch.unlatch()
        end_in_a_try(latch, None)

        with latch.locked(), pytest.raises(PinLatched, match="may have been refused"):
            latch.require_open(WELL, None)


def test_an_error_that_says_nothing_of_the_pin_leaves_the_latch_as_it_was(latch: PinLatch) -> None:
    latch.unlatch()

    with latch.locked(), pytest.raises(TokenLost), latch.trying(None):
        raise TokenLost("DeviceError in _login")

    with latch.locked():
        latch.require_open(WELL | TokenFlag.USER_PIN_FINAL_TRY, None)


def end_in_a_try(latch: PinLatch, pin_file: Path | None) -> None:
    """Do what a process does that is killed in C_Login, but for its end."""
    with latch.locked(), suppress(KeyboardInterrupt), latch.trying(pin_file):
        raise KeyboardInterrupt


def succeed(latch: PinLatch, pin_file: Path | None) -> None:
    with latch.locked(), latch.trying(pin_file):
        pass
