"""tmsd.toml as a whole: places, ports and limits."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from tmsd.config.api import ApiConfig
from tmsd.config.dogtag_edge import DogtagEdgeConfig
from tmsd.config.hsm import HsmConfig
from tmsd.config.ocsp import OcspConfig
from tmsd.config.operations import OperationsConfig
from tmsd.config.store import StoreConfig
from tmsd.config.table import BY_LOADER, TOML, Loaded, Origin, Table
from tmsd.config.toml import Complaint, ConfigError, read
from tmsd.config.values import DISTINCT, Place, SocketPlace
from tmsd.config.wording import explain


class WorkerConfig(Table):
    """[worker]: the processes that hold the HSM login. Times are in seconds.

    Attributes:
        count: how many the daemon starts for what is fast.
        slow_count: how many more for what is slow.
        call_seconds: how long one call into the PKCS#11 module may take, from the first login on.
        sockets: where workers are reached that somebody else starts; without one, the daemon
            starts its own.
        slow_sockets: the same for what is slow.
    """

    count: Annotated[int, Field(ge=1, le=64)] = 2
    slow_count: Annotated[int, Field(ge=0, le=16)] = 1
    sockets: Annotated[tuple[SocketPlace, ...], TOML, DISTINCT] = ()
    slow_sockets: Annotated[tuple[SocketPlace, ...], TOML, DISTINCT] = ()
    call_seconds: Annotated[float, Field(ge=0.1, le=60)] = 2.0
    deadline_seconds: Annotated[float, Field(ge=0.1, le=60)] = 5.0
    slow_deadline_seconds: Annotated[float, Field(ge=0.1, le=600)] = 30.0
    start_seconds: Annotated[float, Field(ge=0.1, le=300)] = 15.0
    queue: Annotated[int, Field(ge=1, le=10_000)] = 256
    queue_per_caller: Annotated[int, Field(ge=1, le=10_000)] = 64
    recycle_derivations: Annotated[int, Field(ge=100, le=10**9)] = 500_000
    recycle_megabytes: Annotated[int, Field(ge=64, le=65_536)] = 512

    def complaints(self) -> Iterator[Complaint]:
        """Yield what sockets and slow sockets have against each other."""
        if self.slow_sockets and not self.sockets:
            yield Complaint(("slow_sockets",), "needs sockets: workers of both kinds are services")


class AuditConfig(Table):
    """[audit]: the hash-chained record of what was done."""

    file: Place = Field(description="the audit log, which the daemon appends to")


class LimitsConfig(Table):
    """[limits]: how long things last and how much is served at once. Times are in seconds."""

    session_seconds: Annotated[int, Field(ge=10, le=3600)] = 300
    challenge_seconds: Annotated[int, Field(ge=5, le=600)] = 60
    request_timeout_seconds: Annotated[float, Field(ge=0.1, le=300)] = 10.0
    handshake_seconds: Annotated[float, Field(ge=0.1, le=60)] = 10.0
    head_seconds: Annotated[float, Field(ge=0.1, le=60)] = 10.0
    idle_seconds: Annotated[float, Field(ge=0.1, le=3600)] = 75.0
    connections: Annotated[int, Field(ge=1, le=65_536)] = 4096
    connections_per_caller: Annotated[int, Field(ge=1, le=65_536)] = 1024


class PolicyFile(Table):
    """[policy]: where policy.toml is."""

    file: Place = Field(default=Path("policy.toml"), validate_default=True)


# Tables whose keys all have defaults.
_MAY_BE_LEFT_OUT = ("store", "worker", "limits", "policy", "operations", "ocsp")


class DaemonConfig(Table):
    """tmsd.toml.

    Attributes:
        source: the file itself, absolute.
        dogtag: None: no TPS of Dogtag is listened to.
    """

    source: Annotated[Path, BY_LOADER]
    api: ApiConfig = Field(description="the table [api], with certificate, private_key, …")
    hsm: HsmConfig = Field(description="the table [hsm], with module, token_label, …")
    audit: AuditConfig = Field(description="the table [audit], with file")
    store: StoreConfig
    worker: WorkerConfig
    limits: LimitsConfig
    policy: PolicyFile
    operations: OperationsConfig
    ocsp: OcspConfig
    dogtag: DogtagEdgeConfig | None = None

    def complaints(self) -> Iterator[Complaint]:
        """Yield what two listeners, or two tokens, share that each must have for itself."""
        if self.dogtag is not None and self.dogtag.listen == self.api.listen:
            yield Complaint(("dogtag", "listen"), "is that of [api]: each needs one of its own")
        nonces = self.ocsp.nonces
        if nonces is None:
            return
        path = ("ocsp", "nonces", "hsm")
        if _may_be_one(nonces.hsm, self.hsm):
            yield Complaint(
                (*path, "token_label"),
                "is that of [hsm], whose PIN opens all keys: it needs a token of its own",
            )
        if nonces.hsm.latch_file == self.hsm.latch_file:
            yield Complaint((*path, "latch_file"), "is that of [hsm]: each token has its own")


def _may_be_one(one: HsmConfig, other: HsmConfig) -> bool:
    """Say whether two tables can name one token; of one label, serial numbers tell them apart."""
    if (one.module, one.environment) != (other.module, other.environment):
        return False
    serials = {one.token_serial, other.token_serial}
    return one.token_label == other.token_label and (len(serials) == 1 or None in serials)


def load_daemon_config(path: Path) -> DaemonConfig:
    """Read tmsd.toml. Relative paths in it start at its own directory.

    Raises:
        ConfigError: with everything that is wrong in the file.
    """
    document = read(path)
    source = path.absolute()
    tables: dict[str, object] = {name: {} for name in _MAY_BE_LEFT_OUT}
    tables["source"] = Loaded(source)
    try:
        return DaemonConfig.model_validate(tables | document.tables, context=Origin(source.parent))
    except ValidationError as error:
        raise ConfigError(document.faults(explain(error, DaemonConfig))) from None
