"""[api] of tmsd.toml: where the daemon listens, who it is, and which callers' CAs it trusts."""

from typing import Annotated

from pydantic import Field

from tmsd.config.listen import Listen, host_and_port
from tmsd.config.table import TOML, Table
from tmsd.config.values import DISTINCT, Place


class ApiConfig(Table):
    """The HTTPS listener. The files are PEM.

    Attributes:
        caller_crls: files with a CRL of each CA of `caller_trust`; without any, nothing is
            asked of revocation.
    """

    listen: Listen = "127.0.0.1:8443"
    certificate: Place = Field(description="the daemon's certificate and its chain, a PEM file")
    private_key: Place = Field(description="the certificate's private key, a PEM file")
    caller_trust: Place = Field(description="the CA certificates of the callers, a PEM file")
    caller_crls: Annotated[tuple[Place, ...], TOML, DISTINCT] = ()

    @property
    def host(self) -> str:
        """The IP address to listen on, without brackets."""
        return host_and_port(self.listen)[0]

    @property
    def port(self) -> int:
        """The TCP port to listen on."""
        return host_and_port(self.listen)[1]
