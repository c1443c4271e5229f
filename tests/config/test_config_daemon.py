"""tmsd.toml as a whole."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from tmsd.config.daemon import DaemonConfig, LimitsConfig, load_daemon_config

Daemon = Callable[..., DaemonConfig]
Refusal = Callable[..., list[str]]


def test_relative_paths_start_at_the_directory_of_the_file(daemon: Daemon, tmp_path: Path) -> None:
    config = daemon(policy='file = "allowed/policy.toml"')
    assert config.source == tmp_path / "tmsd.toml"
    assert config.api.certificate == tmp_path / "a.pem"
    assert config.audit.file == tmp_path / "audit.jsonl"
    assert config.policy.file == tmp_path / "allowed/policy.toml"
    assert config.hsm.module == Path("/lib/p11.so")


def test_tables_whose_keys_have_defaults_may_be_left_out(daemon: Daemon, tmp_path: Path) -> None:
    config = daemon()
    assert config.worker.deadline_seconds == 5
    assert config.worker.start_seconds == 15
    assert config.limits == LimitsConfig()
    assert config.limits.session_seconds == 300
    assert config.limits.challenge_seconds == 60
    assert config.limits.request_timeout_seconds == 10
    assert config.policy.file == tmp_path / "policy.toml"
    assert config.operations.socket is None


def test_the_source_is_absolute_however_the_file_was_named(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon()
    monkeypatch.chdir(tmp_path)
    config = load_daemon_config(Path(os.path.curdir, "tmsd.toml"))
    assert config.source == tmp_path / "tmsd.toml"
    assert config.policy.file == tmp_path / "policy.toml"


def test_a_configuration_cannot_be_changed(daemon: Daemon) -> None:
    with pytest.raises(ValidationError):
        daemon().limits.session_seconds = 10


def test_required_tables_that_are_missing_are_named(tmp_path: Path, refusal: Refusal) -> None:
    file = tmp_path / "tmsd.toml"
    file.write_text("")
    assert refusal(lambda: load_daemon_config(file)) == [
        "1: api: is missing: the table [api], with certificate, private_key, …",
        "1: hsm: is missing: the table [hsm], with module, token_label, …",
        "1: audit: is missing: the table [audit], with file",
    ]


@pytest.mark.parametrize(
    ("table", "body", "message"),
    [
        ("audit", "", "11: audit.file: is missing: the audit log, which the daemon appends to"),
        ("audit", "file = 3", "12: audit.file: must be a path in quotes, not 3"),
        ("audit", 'file = ""', "12: audit.file: must be a path in quotes, not ''"),
        ("audit", 'file = "\\u0000"', "12: audit.file: must be a path in quotes, not '\\x00'"),
        ("limits", "session_seconds = 9", "15: limits.session_seconds: must be at least 10, not 9"),
        (
            "limits",
            "session_seconds = 3601",
            "15: limits.session_seconds: must be at most 3600, not 3601",
        ),
        (
            "limits",
            "session_seconds = true",
            "15: limits.session_seconds: must be a whole number, not true",
        ),
        (
            "limits",
            "session_seconds = 60.0",
            "15: limits.session_seconds: must be a whole number, not 60.0",
        ),
        (
            "limits",
            "challenge_seconds = 4",
            "15: limits.challenge_seconds: must be at least 5, not 4",
        ),
        (
            "worker",
            'deadline_seconds = "5"',
            "15: worker.deadline_seconds: must be a number, not '5'",
        ),
        (
            "worker",
            "deadline_seconds = nan",
            "15: worker.deadline_seconds: must be a finite number, not nan",
        ),
        (
            "worker",
            "deadline_seconds = 0",
            "15: worker.deadline_seconds: must be at least 0.1, not 0",
        ),
        (
            "worker",
            "start_seconds = inf",
            "15: worker.start_seconds: must be a finite number, not inf",
        ),
        ("policy", "path = 1", "15: policy.path: is not a key of this table, which has file"),
        (
            "source",
            "x = 1",
            (
                "14: source: is not a key of this table, "
                "which has api, hsm, audit, store, worker, limits, policy, operations, ocsp, dogtag"
            ),
        ),
    ],
)
def test_a_wrong_value_is_refused_with_what_would_be_right(
    daemon: Daemon, refusal: Refusal, table: str, body: str, message: str
) -> None:
    assert refusal(daemon, **{table: body}) == [message]


def test_a_key_in_place_of_a_table_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    file = tmp_path / "tmsd.toml"
    file.write_text("api = 1\nhsm = []\naudit = 'x'\n")
    assert refusal(lambda: load_daemon_config(file)) == [
        "1: api: must be a table, not 1",
        "2: hsm: must be a table, not an array",
        "3: audit: must be a table, not 'x'",
    ]


def test_all_faults_of_a_file_are_reported_at_once(daemon: Daemon, refusal: Refusal) -> None:
    assert refusal(
        daemon,
        api='listen = "here"\ncolour = "red"',
        hsm='module = "/lib/p11.so"\ntoken_label = ""\npin_credential = "a/b"',
        limits="challenge_seconds = 0",
    ) == [
        "1: api.certificate: is missing: the daemon's certificate and its chain, a PEM file",
        "1: api.private_key: is missing: the certificate's private key, a PEM file",
        "1: api.caller_trust: is missing: the CA certificates of the callers, a PEM file",
        (
            "2: api.listen: must be an IP address and a port from 1 to 65535, "
            'as "127.0.0.1:8443" or "[::1]:8443", not \'here\''
        ),
        (
            "3: api.colour: is not a key of this table, "
            "which has listen, certificate, private_key, caller_trust, caller_crls"
        ),
        "6: hsm.token_label: must be 1 to 32 bytes of plain text, not ''",
        (
            "7: hsm.pin_credential: must be the name of a systemd credential, "
            "as \"hsm-pin\", not 'a/b'"
        ),
        "12: limits.challenge_seconds: must be at least 5, not 0",
    ]


def test_two_listeners_at_one_address_are_refused(daemon: Daemon, refusal: Refusal) -> None:
    same = 'listen = "127.0.0.1:8443"'
    assert refusal(daemon, dogtag=same) == [
        "15: dogtag.listen: is that of [api]: each needs one of its own"
    ]
