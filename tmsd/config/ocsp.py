"""[ocsp] of tmsd.toml: where `tmsd ocsp` listens, and its limits. Times are in seconds."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from tmsd.config.hsm import HsmConfig
from tmsd.config.listen import Listen
from tmsd.config.table import Table
from tmsd.config.values import Place, SocketPlace


class NonceHsmConfig(HsmConfig):
    """[ocsp.nonces.hsm]: the token of the worker for nonces, as [hsm] names that of the others."""

    latch_file: Place = Field(default=Path("ocsp-hsm-pin.latch"), validate_default=True)


class NoncesConfig(Table):
    """[ocsp.nonces]: answers with the nonce of who asks (RFC 9654), by a worker of their own.

    Attributes:
        socket: where the worker is reached, which somebody else starts.
        hsm: its token, in which the keys for nonces are alone.
        per_second: how many are signed at most.
        waiting: how many may wait for the worker at once.
        deadline_seconds: how long one may take.
    """

    socket: SocketPlace = Field(description="the socket of the worker for nonces")
    hsm: NonceHsmConfig = Field(description="the table [ocsp.nonces.hsm], with module, …")
    per_second: Annotated[int, Field(ge=1, le=10_000)] = 50
    waiting: Annotated[int, Field(ge=1, le=1000)] = 16
    deadline_seconds: Annotated[float, Field(ge=0.1, le=60)] = 2.0


class OcspConfig(Table):
    """The responder, which relying parties ask over plain HTTP.

    Attributes:
        listen: an IP address and a port.
        max_age_seconds: how long others may keep an answer or a CRL, if it holds for so long.
        connections: how many are open at once.
        request_seconds: how long a request may take to arrive, and one part of an answer to leave.
        nonces: None: nonces are passed over (RFC 5019, 4).
    """

    listen: Listen = "127.0.0.1:8080"
    max_age_seconds: Annotated[int, Field(ge=0, le=7 * 24 * 3600)] = 300
    connections: Annotated[int, Field(ge=1, le=100_000)] = 1000
    request_seconds: Annotated[float, Field(ge=0.1, le=300)] = 10.0
    nonces: NoncesConfig | None = None
