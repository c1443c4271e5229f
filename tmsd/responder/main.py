"""The responder, `tmsd ocsp --config FILE`: serve relying parties until a signal.

It reads the database, and that alone: it has no way to an HSM, to a worker, or to what writes.
"""

import asyncio
import logging
import signal
import socket
from functools import partial
from pathlib import Path

from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import Policy
from tmsd.config.toml import ConfigError
from tmsd.database import database_place
from tmsd.ocsp.answering import Answering
from tmsd.ocsp.published import Published
from tmsd.program import kept_informed, run, stop_signal
from tmsd.responder.listening import listening
from tmsd.responder.reload import Reloading, certificates_of, load_cas
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
    wanted = asyncio.Event()
    # From here on SIGHUP is no longer the end of the process.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, wanted.set)
    config = load_daemon_config(config_file)
    cas = certificates_of(load_cas(config.policy.file))
    async with Reader.open(database_place(config.store)) as reader:
        ocsp, published = config.ocsp, Published(reader)
        edge = Edge(Answering(cas, published), cas, ocsp.max_age_seconds, ocsp.request_seconds)

        def take(policy: Policy) -> None:
            edge.cas = certificates_of(policy)
            edge.answering = Answering(edge.cas, published)

        async with (
            kept_informed(manager),
            listening(application(edge), ocsp, inherited) as addresses,
        ):
            stopping = stop_signal()  # before anybody is told that it is ready
            LOG.info("ready: %s", addresses, extra=about(Event.READY))
            serving = f"serving relying parties at {addresses}"
            manager.ready(serving)
            reloading = Reloading(config_file, take, manager, wanted)
            beside = asyncio.create_task(reloading.whenever_wanted(serving))
            await stopping.wait()
            beside.cancel()
            await asyncio.gather(beside, return_exceptions=True)
            LOG.info("stopping", extra=about(Event.STOPPING))
            manager.stopping()
    LOG.info("stopped")
