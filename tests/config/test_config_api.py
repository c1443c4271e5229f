"""[api] of tmsd.toml."""

from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tmsd.config.api import ApiConfig

PLACE = Path("/a.pem")


def listening(listen: str) -> ApiConfig:
    return ApiConfig(listen=listen, certificate=PLACE, private_key=PLACE, caller_trust=PLACE)


def test_the_default_is_port_8443_of_this_machine_alone() -> None:
    config = ApiConfig(certificate=PLACE, private_key=PLACE, caller_trust=PLACE)
    assert (config.host, config.port) == ("127.0.0.1", 8443)


@given(st.ip_addresses(), st.integers(min_value=1, max_value=65535))
def test_every_address_and_port_is_split_into_host_and_port(address: object, port: int) -> None:
    host = str(address)
    config = listening(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    assert ip_address(config.host) == address
    assert config.port == port


@pytest.mark.parametrize(
    "listen",
    [
        *("", "8443", ":8443", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536"),
        *("127.0.0.1:08443", "127.0.0.1:-1", "127.0.0.1: 8443", "127.0.0.1:8443\n", "127.0.0:1"),
        *("::1:8443", "[::1]", "[::1]:", "[127.0.0.1]:8443", "[::1:8443", "256.0.0.1:8443"),
        *("localhost:8443", "127.0.0.1:٨٤٤٣"),
    ],
)
def test_what_is_not_an_address_and_a_port_is_refused(listen: str) -> None:
    with pytest.raises(ValidationError, match="must be an IP address and a port"):
        listening(listen)


@given(st.text())
def test_arbitrary_text_is_an_address_with_a_port_or_refused(listen: str) -> None:
    try:
        config = listening(listen)
    except ValidationError:
        return
    assert 1 <= config.port <= 65535
    assert ip_address(config.host)
