"""[api] of tmsd.toml: where the daemon listens, who it is, and which callers' CAs it trusts."""

import re
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, Field

from tmsd.config.table import TOML, Table
from tmsd.config.toml import shown
from tmsd.config.values import DISTINCT, Place

_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([1-9][0-9]{0,4})")


def _split(listen: str) -> tuple[str, int]:
    """Return host and port of `192.0.2.1:8443` or `[2001:db8::1]:8443`.

    Raises:
        ValueError: it is neither, or the port is not 1 to 65535.
    """
    if match := _LISTEN.fullmatch(listen):
        ipv6, ipv4, port = match.groups()
        if ip_address(ipv6 or ipv4).version == (6 if ipv6 else 4) and int(port) <= 0xFFFF:
            return ipv6 or ipv4, int(port)
    raise ValueError(listen)


def _check_listen(listen: str) -> str:
    try:
        _split(listen)
    except ValueError:
        raise ValueError(
            "must be an IP address and a port from 1 to 65535, "
            f'as "127.0.0.1:8443" or "[::1]:8443", not {shown(listen)}'
        ) from None
    return listen


class ApiConfig(Table):
    """The HTTPS listener. The files are PEM.

    Attributes:
        caller_crls: files with a CRL of each CA of `caller_trust`; without any, nothing is
            asked of revocation.
    """

    listen: Annotated[str, AfterValidator(_check_listen)] = "127.0.0.1:8443"
    certificate: Place = Field(description="the daemon's certificate and its chain, a PEM file")
    private_key: Place = Field(description="the certificate's private key, a PEM file")
    caller_trust: Place = Field(description="the CA certificates of the callers, a PEM file")
    caller_crls: Annotated[tuple[Place, ...], TOML, DISTINCT] = ()

    @property
    def host(self) -> str:
        """The IP address to listen on, without brackets."""
        return _split(self.listen)[0]

    @property
    def port(self) -> int:
        """The TCP port to listen on."""
        return _split(self.listen)[1]
