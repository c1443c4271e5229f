"""[ocsp] of tmsd.toml: where `tmsd ocsp` listens, and its limits. Times are in seconds."""

from typing import Annotated

from pydantic import Field

from tmsd.config.listen import Listen
from tmsd.config.table import Table


class OcspConfig(Table):
    """The responder, which relying parties ask over plain HTTP.

    Attributes:
        listen: an IP address and a port.
        max_age_seconds: how long others may keep an answer or a CRL, if it holds for so long.
        connections: how many are open at once.
        request_seconds: how long a request may take to arrive, and one part of an answer to leave.
    """

    listen: Listen = "127.0.0.1:8080"
    max_age_seconds: Annotated[int, Field(ge=0, le=7 * 24 * 3600)] = 300
    connections: Annotated[int, Field(ge=1, le=100_000)] = 1000
    request_seconds: Annotated[float, Field(ge=0.1, le=300)] = 10.0
