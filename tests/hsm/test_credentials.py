"""The PIN file: who else could read it decides whether it is read."""

import os
from pathlib import Path

import pytest

from hsm.credentials import MAX_PIN, pin_from, read_pin
from hsm.errors import CredentialUnavailable

PIN = b"correct horse"


@pytest.fixture
def pin_file(tmp_path: Path) -> Path:
    """A PIN file as it should be."""
    return _written(tmp_path / "pin", PIN)


def _written(file: Path, content: bytes, mode: int = 0o400) -> Path:
    file.write_bytes(content)
    file.chmod(mode)
    return file


def _refusal(file: Path) -> str:
    with pytest.raises(CredentialUnavailable) as refusal:
        read_pin(file)
    return str(refusal.value)


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_that_its_owner_alone_can_read_is_read(pin_file: Path) -> None:
    assert read_pin(pin_file).reveal() == PIN


@pytest.mark.parametrize("content", [b"1", b"1\n", b"1" * MAX_PIN, b"1" * MAX_PIN + b"\n"])
def test_one_line_end_is_removed(tmp_path: Path, content: bytes) -> None:
    assert read_pin(_written(tmp_path / "pin", content)).reveal() == content.removesuffix(b"\n")


def test_white_space_belongs_to_the_pin(tmp_path: Path) -> None:
    assert read_pin(_written(tmp_path / "pin", b" 1 \n\n")).reveal() == b" 1 \n"


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o444, 0o600, 0o640, 0o644, 0o660, 0o777, 0o4400])
def test_any_other_mode_than_0400_is_refused_with_what_to_do(pin_file: Path, mode: int) -> None:
    pin_file.chmod(mode)

    assert _refusal(pin_file) == (
        f"PIN file {pin_file}: its mode is {mode:04o} and must be 0400 (chmod 0400 {pin_file})"
    )


@pytest.mark.parametrize("content", [b"", b"\n", b"1" * (MAX_PIN + 1), b"1" * 5000])
def test_a_pin_has_1_to_255_bytes(tmp_path: Path, content: bytes) -> None:
    file = _written(tmp_path / "pin", content)

    assert _refusal(file) == f"PIN file {file}: a PIN has 1 to 255 bytes"


def test_a_pin_that_is_not_utf_8_is_refused_without_a_word_of_it(tmp_path: Path) -> None:
    file = _written(tmp_path / "pin", b"12\xff34")

    with pytest.raises(CredentialUnavailable) as refusal:
        read_pin(file)

    assert str(refusal.value) == f"PIN file {file}: a PIN is text in UTF-8"
    assert refusal.value.__context__ is None


def test_a_symbolic_link_is_not_followed(tmp_path: Path, pin_file: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(pin_file)

    assert _refusal(link).startswith(f"PIN file {link}: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    assert _refusal(missing) == f"PIN file {missing}: No such file or directory"


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert _refusal(tmp_path) == f"PIN file {tmp_path}: it is not a regular file"


@pytest.mark.timeout(10)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o400)

    assert _refusal(pipe) == f"PIN file {pipe}: it is not a regular file"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_a_file_of_somebody_else_is_refused(pin_file: Path) -> None:
    os.chown(pin_file, 65534, 65534)

    assert _refusal(pin_file) == f"PIN file {pin_file}: it belongs to user id 65534"


@pytest.mark.parametrize("mode", [0o000, 0o200, 0o444])
def test_no_refusal_shows_the_pin(pin_file: Path, mode: int) -> None:
    pin_file.chmod(mode)

    with pytest.raises(CredentialUnavailable) as refusal:
        read_pin(pin_file)

    assert PIN.decode() not in repr(refusal.value)


def test_refusals_leave_no_file_open(tmp_path: Path, pin_file: Path) -> None:
    pin_file.chmod(0o644)
    before = _open_files()

    for file in (tmp_path, pin_file):
        _refusal(file)

    assert _open_files() == before


@pytest.mark.parametrize("mode", [0o400, 0o440])
def test_a_systemd_credential_may_be_readable_by_its_group(
    pin_file: Path, mode: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin_file.chmod(mode)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(pin_file.parent))

    assert pin_from(None, "pin").reveal() == PIN


def test_a_file_comes_before_a_credential(pin_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)

    assert pin_from(pin_file, "elsewhere").reveal() == PIN


def test_without_systemd_a_credential_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)

    with pytest.raises(CredentialUnavailable, match="LoadCredential=") as refusal:
        pin_from(None, "hsm-pin")

    assert "'hsm-pin'" in str(refusal.value)
