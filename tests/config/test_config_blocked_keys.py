"""The file of blocked keys, which policy.toml names."""

from pathlib import Path

import pytest

from tests.config.test_config_cas import CA, DESK, Directory
from tmsd.config.blocked_keys import LARGEST_BLOCKED_KEYS, BlockedKeys, load_blocked_keys
from tmsd.config.policy import load_policy
from tmsd.config.toml import ConfigError
from tmsd.x509.public_keys import spki_sha256

ONE, TWO = "1" * 64, "a" * 64
BLOCKED = 'blocked_keys = "blocked.txt"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "blocked.txt"


def faults(file: Path, content: bytes) -> list[str]:
    file.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        load_blocked_keys(file)
    return [str(fault).removeprefix(f"{file}") for fault in refused.value.faults]


def test_there_is_a_key_on_each_line_that_is_no_comment(file: Path) -> None:
    file.write_bytes(f"# of 2008\r\n\n{ONE}\r\n  {TWO} # \xe9\n{ONE}".encode())
    assert load_blocked_keys(file).hashes == {ONE, TWO}


def test_a_file_may_block_nothing(file: Path) -> None:
    file.write_bytes(b"")
    assert load_blocked_keys(file).hashes == frozenset()


@pytest.mark.parametrize("line", ["A" * 64, "a" * 63, "a" * 65, f"{ONE} {TWO}", "\xe9" * 64, "ab:"])
def test_a_line_that_is_no_hash_is_told_by_its_number(file: Path, line: str) -> None:
    (fault,) = faults(file, f"# comment\n{ONE}\n\n{line}\n{TWO}\n".encode())
    assert fault.startswith(":4: must be a SHA-256, 64 lower-case hex digits, not '")


def test_of_many_such_lines_the_first_are_told(file: Path) -> None:
    told = faults(file, b"x\n" * 1000)
    assert [fault.split(":")[1] for fault in told] == [str(number) for number in range(1, 17)]


def test_a_file_is_not_read_past_its_bound(file: Path) -> None:
    assert faults(file, b"#" * LARGEST_BLOCKED_KEYS + b"#") == [": is larger than 16777216 bytes"]


def test_a_file_that_is_not_there_is_a_fault(file: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        load_blocked_keys(file)


def test_the_policy_has_them_and_its_digest_covers_them(file: Path) -> None:
    policy = file.parent / "policy.toml"
    policy.write_text(BLOCKED)
    file.write_text(f"{ONE}\n")
    before = load_policy(policy)
    file.write_text(f"{TWO}\n")
    after = load_policy(policy)

    assert [before.blocked.hashes, after.blocked.hashes] == [{ONE}, {TWO}]
    assert before.digest != after.digest


def test_a_policy_without_such_a_file_blocks_nothing(tmp_path: Path) -> None:
    (tmp_path / "policy.toml").write_text("")
    assert load_policy(tmp_path / "policy.toml").blocked == BlockedKeys()


def test_a_caller_or_a_ca_whose_key_others_have_is_a_fault(tmp_path: Path) -> None:
    directory = Directory(tmp_path)
    key = spki_sha256(directory.authority.certificate.public_key())
    (tmp_path / "blocked.txt").write_text(f"{'0' * 64}\n{key}\n")

    words = "is a key that is blocked, as others have it: replace it"
    assert directory.faults(BLOCKED + CA + DESK) == [
        f"policy.toml:3: cas.demo.certificate: {words}",
        f"policy.toml:6: callers.desk.public_key_sha256: {words}",
    ]
