"""[ocsp] of tmsd.toml."""

from collections.abc import Callable

import pytest

from tmsd.config.daemon import DaemonConfig

Daemon = Callable[..., DaemonConfig]
Refusal = Callable[..., list[str]]


def test_every_key_may_be_left_out(daemon: Daemon) -> None:
    config = daemon().ocsp
    assert (config.listen, config.max_age_seconds, config.connections, config.request_seconds) == (
        *("127.0.0.1:8080", 300, 1000),
        10.0,
    )


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('listen = "anywhere"', "ocsp.listen: must be an IP address and a port from 1 to 65535"),
        ("max_age_seconds = -1", "ocsp.max_age_seconds: must be at least 0, not -1"),
        ("connections = 0", "ocsp.connections: must be at least 1, not 0"),
        ("request_seconds = 0", "ocsp.request_seconds: must be at least 0.1, not 0"),
    ],
)
def test_what_is_wrong_is_refused_with_what_would_be_right(
    table: str, words: str, daemon: Daemon, refusal: Refusal
) -> None:
    (told,) = refusal(daemon, ocsp=table)
    assert words in told
