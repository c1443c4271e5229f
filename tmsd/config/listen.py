"""Where something listens: an IP address and a TCP port, as tmsd.toml spells them."""

import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator

from tmsd.config.toml import shown

_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([1-9][0-9]{0,4})")


def host_and_port(listen: str) -> tuple[str, int]:
    """Return host and port of `192.0.2.1:8443` or `[2001:db8::1]:8443`.

    Raises:
        ValueError: it is neither, or the port is not 1 to 65535.
    """
    if match := _LISTEN.fullmatch(listen):
        ipv6, ipv4, port = match.groups()
        if ip_address(ipv6 or ipv4).version == (6 if ipv6 else 4) and int(port) <= 0xFFFF:
            return ipv6 or ipv4, int(port)
    raise ValueError(listen)


def _check(listen: str) -> str:
    try:
        host_and_port(listen)
    except ValueError:
        raise ValueError(
            "must be an IP address and a port from 1 to 65535, "
            f'as "127.0.0.1:8443" or "[::1]:8443", not {shown(listen)}'
        ) from None
    return listen


Listen = Annotated[str, AfterValidator(_check)]
"""An address and a port to listen on; IPv6 addresses stand in brackets."""
