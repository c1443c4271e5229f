"""[ocsp] of tmsd.toml."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tmsd.config.daemon import DaemonConfig

NONCES = """
[ocsp.nonces]
socket = "n"
{more}
[ocsp.nonces.hsm]
{hsm}"""
HSM = """\
module = "/lib/p11.so"
token_label = "tmsd-ocsp"
pin_credential = "ocsp-hsm-pin"
"""

Daemon = Callable[..., DaemonConfig]
Refusal = Callable[..., list[str]]


def test_every_key_may_be_left_out(daemon: Daemon) -> None:
    config = daemon().ocsp
    assert (config.listen, config.max_age_seconds, config.connections, config.request_seconds) == (
        *("127.0.0.1:8080", 300, 1000),
        10.0,
    )


def test_nonces_are_passed_over_unless_there_is_a_table(daemon: Daemon, tmp_path: Path) -> None:
    assert daemon().ocsp.nonces is None
    nonces = daemon(ocsp=NONCES.format(hsm=HSM, more="")).ocsp.nonces
    assert nonces is not None
    assert nonces.socket == tmp_path / "n"
    assert nonces.hsm.latch_file == tmp_path / "ocsp-hsm-pin.latch"


@pytest.mark.parametrize("more", ['token_serial = "2"', 'environment = { SOFTHSM2_CONF = "/x" }'])
def test_another_token_may_have_the_same_label(more: str, daemon: Daemon) -> None:
    own = 'module = "/lib/p11.so"\ntoken_label = "tmsd"\ntoken_serial = "1"\npin_credential = "p"\n'
    hsm = HSM.replace("tmsd-ocsp", "tmsd") + f"{more}\n"
    assert daemon(hsm=own, ocsp=NONCES.format(hsm=hsm, more="")).ocsp.nonces is not None


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('listen = "anywhere"', "ocsp.listen: must be an IP address and a port from 1 to 65535"),
        ("max_age_seconds = -1", "ocsp.max_age_seconds: must be at least 0, not -1"),
        ("connections = 0", "ocsp.connections: must be at least 1, not 0"),
        ("request_seconds = 0", "ocsp.request_seconds: must be at least 0.1, not 0"),
        (NONCES.format(hsm=HSM, more="per_second = 0"), "per_second: must be at least 1, not 0"),
        (
            NONCES.format(hsm=HSM.replace("tmsd-ocsp", "tmsd"), more=""),
            "ocsp.nonces.hsm.token_label: is that of [hsm], whose PIN opens all keys",
        ),
        (
            NONCES.format(hsm=HSM + 'latch_file = "hsm-pin.latch"\n', more=""),
            "ocsp.nonces.hsm.latch_file: is that of [hsm]: each token has its own",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_what_would_be_right(
    table: str, words: str, daemon: Daemon, refusal: Refusal
) -> None:
    (told,) = refusal(daemon, ocsp=table)
    assert words in told
