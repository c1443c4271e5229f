"""The responder, `tmsd ocsp --config FILE`: serve relying parties until a signal.

It reads the database and the policy, and has no way to an HSM or to what writes. With
[ocsp.nonces] it asks one worker for one thing; without, it loads nothing that could ask any.
"""

import asyncio
import logging
import signal
import socket
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.policy import Policy
from tmsd.config.toml import ConfigError
from tmsd.database import database_place
from tmsd.ocsp.answering import Answering
from tmsd.ocsp.published import Published
from tmsd.program import kept_informed, run, stop_signal
from tmsd.responder.listening import listening
from tmsd.responder.reload import Reloading, certificates_of, load_cas
from tmsd.responder.server import Edge, application
from tmsd.store.error import StoreError
from tmsd.store.reader import Reader
from tmsd.systemd.journal import Event, about
from tmsd.systemd.notifying import ServiceManager

if TYPE_CHECKING:
    from tmsd.responder.nonces import Nonces

LOG = logging.getLogger(__name__)


def serve(config_file: Path) -> None:
    """Serve relying parties until a signal."""
    run("tmsd-ocsp", partial(_run, config_file), ConfigError, StoreError)


async def _run(config_file: Path, manager: ServiceManager, inherited: list[socket.socket]) -> None:
    wanted = asyncio.Event()
    # From here on SIGHUP is no longer the end of the process.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, wanted.set)
    config = load_daemon_config(config_file)
    policy = load_cas(config.policy.file)
    ocsp, cas, nonces = config.ocsp, certificates_of(policy), _nonces(config, policy)
    async with Reader.open(database_place(config.store)) as reader:
        published = Published(reader)
        answering = Answering(cas, published, nonces)
        edge = Edge(answering, cas, ocsp.max_age_seconds, ocsp.request_seconds)

        def take(policy: Policy) -> None:
            if nonces is not None:
                nonces.go_by(policy)
            edge.cas = certificates_of(policy)
            edge.answering = Answering(edge.cas, published, nonces)

        async with (
            kept_informed(manager),
            listening(application(edge), ocsp, inherited) as addresses,
        ):
            stopping = stop_signal()  # before anybody is told that it is ready
            LOG.info("ready: %s", addresses, extra=about(Event.READY))
            serving = f"serving relying parties at {addresses}"
            manager.ready(serving)
            reloading = Reloading(config_file, take, manager, wanted)
            beside = [asyncio.create_task(reloading.whenever_wanted(serving))]
            if nonces is not None:
                beside.append(asyncio.create_task(nonces.keep()))
            await stopping.wait()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            LOG.info("stopping", extra=about(Event.STOPPING))
            manager.stopping()
    LOG.info("stopped")


def _nonces(config: DaemonConfig, policy: Policy) -> "Nonces | None":
    if config.ocsp.nonces is None:
        return None
    from tmsd.responder.nonces import Nonces  # noqa: PLC0415  the one code here that asks a worker

    return Nonces(config.ocsp.nonces, config.worker.start_seconds, policy)
