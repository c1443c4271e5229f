"""The responder, `tmsd ocsp --config FILE`: serve relying parties until a signal.

It reads the database, and that alone: it has no way to an HSM, to a worker, or to what writes.
"""

import logging
import socket
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from cryptography.x509 import Certificate

from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.pem import UnfitFile, certificates
from tmsd.config.toml import ConfigError, Fault
from tmsd.database import database_place
from tmsd.ocsp.answering import Answering
from tmsd.ocsp.published import Published
from tmsd.program import kept_informed, run, stop_signal
from tmsd.responder.listening import listening
from tmsd.responder.server import Edge, application
from tmsd.store.database import StoreError
from tmsd.store.reader import Reader
from tmsd.systemd.journal import Event, about
from tmsd.systemd.notifying import ServiceManager

LOG = logging.getLogger(__name__)


def serve(config_file: Path) -> None:
    """Serve relying parties until a signal."""
    run("tmsd-ocsp", partial(_run, config_file), ConfigError, StoreError)


async def _run(config_file: Path, manager: ServiceManager, inherited: list[socket.socket]) -> None:
    config = load_daemon_config(config_file)
    cas = _cas(config)
    async with Reader.open(database_place(config.store)) as reader:
        ocsp = config.ocsp
        answering = Answering(cas, Published(reader))
        edge = Edge(answering, cas, ocsp.max_age_seconds, ocsp.request_seconds)
        async with (
            kept_informed(manager),
            listening(application(edge), ocsp, inherited) as addresses,
        ):
            stopping = stop_signal()  # before anybody is told that it is ready
            LOG.info("ready: %s", addresses, extra=about(Event.READY))
            manager.ready(f"serving relying parties at {addresses}")
            await stopping.wait()
            LOG.info("stopping", extra=about(Event.STOPPING))
            manager.stopping()
    LOG.info("stopped")


def _cas(config: DaemonConfig) -> Mapping[str, Certificate]:
    """Read the certificates of the CAs that are answered for.

    Raises:
        ConfigError: none is named, or a file holds none.
    """
    found: dict[str, Certificate] = {}
    if faults := list(_faults(config, found)):
        raise ConfigError(faults)
    return found


def _faults(config: DaemonConfig, found: dict[str, Certificate]) -> Iterator[Fault]:
    """Yield what is wrong with the files of CAs; what is right goes into `found`."""
    for name, file in config.ocsp.cas.items():
        try:
            found[name] = certificates(file)[0]
        except UnfitFile as unfit:
            yield Fault(config.source, None, f"ocsp.cas.{name}", f"{file}: {unfit}")
    if not config.ocsp.cas:
        yield Fault(config.source, None, "ocsp.cas", "must name the CAs that are answered for")
