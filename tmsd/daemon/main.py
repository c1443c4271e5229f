"""`tmsd --config FILE`: start the front in order, serve, and end in order."""

import asyncio
import logging
import resource
import signal
import socket
import sys
from collections.abc import Awaitable
from pathlib import Path

import click

from tmsd.api.server import Edge, application
from tmsd.api.tls import server_context
from tmsd.audit.chain_file import AuditFileError
from tmsd.audit.log import AuditLog
from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import load_policy
from tmsd.config.toml import ConfigError
from tmsd.daemon.listener import Listener
from tmsd.daemon.notifying import kept_informed, tell_changes
from tmsd.daemon.operations import Operations
from tmsd.daemon.operations import listening as operations_listening
from tmsd.daemon.places import deadline_seconds, endurance, places, queue_limits
from tmsd.daemon.reload import Reloading
from tmsd.daemon.worker_process import WorkerStartError
from tmsd.daemon.workers import Workers
from tmsd.store.database import StoreError
from tmsd.store.store import Store
from tmsd.systemd.activation import UnusableSocket, inherited_listeners
from tmsd.systemd.journal import Event, about, log_to_journal_or_stderr
from tmsd.systemd.library import SystemdLibraryMissing
from tmsd.systemd.notifying import ServiceManager
from tmsd.tks.budgets import Budgets
from tmsd.tks.card_failures import CardFailures
from tmsd.tks.judging import Judging
from tmsd.tks.service import Tks, recorded_receipt
from tmsd.tks.used_challenges import UsedChallenges
from tmsd.vault.pool import Vault

LOG = logging.getLogger(__name__)

_REASONS_TO_END = (
    ConfigError,
    AuditFileError,
    StoreError,
    WorkerStartError,
    SystemdLibraryMissing,
    UnusableSocket,
    OSError,
)


@click.command()
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="tmsd.toml",
)
@click.version_option(package_name="tmsd")
def main(config_file: Path) -> None:
    """Serve the keys of an HSM to token processing systems over mutual TLS."""
    in_journal = log_to_journal_or_stderr("tmsd")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        manager = ServiceManager.of_this_process()
        asyncio.run(_run(config_file, manager, inherited_listeners("TCP")))
    except _REASONS_TO_END as error:
        reason = f"tmsd cannot go on: {error}"
        if in_journal:
            LOG.critical(reason, extra=about(Event.FAILED))
        else:
            click.echo(reason, err=True)
        sys.exit(1)


async def _run(config_file: Path, manager: ServiceManager, inherited: list[socket.socket]) -> None:
    config = load_daemon_config(config_file)
    policy = load_policy(config.policy.file)
    LOG.warning("unsigned policy %s, version %d", policy.source, policy.version)
    tls = server_context(config.api)
    async with (
        kept_informed(manager),
        AuditLog.open(config.audit.file) as audit,
        Store.open(config.store.file) as store,
    ):
        vault = Vault(
            deadline_seconds(config.worker),
            queue_limits(config.worker),
            lambda told: audit.note(recorded_receipt(told)),
        )
        workers = Workers(vault, places(config), endurance(config.worker), policy.digest)
        operations = Operations(
            policy, workers, audit, store, is_embedded=not config.worker.sockets
        )
        card_failures = CardFailures(store)
        await card_failures.load()
        budgets = Budgets()
        tks = Tks(
            vault=vault,
            policy=policy,
            used_challenges=UsedChallenges(store, config.limits.challenge_seconds),
            budgets=budgets,
            judging=Judging(
                budgets,
                card_failures,
                config.worker.queue_per_caller,
                config.worker.deadline_seconds,
            ),
        )
        edge = Edge(tks=tks, audit=audit, body_seconds=config.limits.request_timeout_seconds)
        app = application(edge)
        listener = Listener(config.api, tls, app, tuple(inherited))
        # The audit log is locked: no other daemon of this configuration uses the socket.
        async with operations_listening(config.operations.socket, operations):
            await _serve(config_file, listener, edge, operations, manager)
    LOG.info("stopped")


async def _serve(
    config_file: Path,
    listener: Listener,
    edge: Edge,
    operations: Operations,
    manager: ServiceManager,
) -> None:
    """Serve callers from the first worker's readiness until a signal."""
    wanted = asyncio.Event()
    # From here on SIGHUP is no longer the end of the process.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, wanted.set)
    ready = asyncio.Event()
    manager.starting("the HSM")
    keeping = asyncio.create_task(operations.workers.keep(ready))
    try:
        await _first_of(keeping, ready.wait())
        async with listener.open() as listening:
            serving = f"serving callers at {listening.addresses}"
            LOG.info("ready: %s", listening.addresses, extra=about(Event.READY))
            manager.ready(serving)
            telling = asyncio.create_task(tell_changes(manager, operations, serving))
            reloading = Reloading(config_file, edge, operations, listening, edge.audit, manager)
            renewing = asyncio.create_task(reloading.whenever(wanted, serving))
            try:
                await _first_of(keeping, _stop_signal())
            finally:
                telling.cancel()
                renewing.cancel()
                LOG.info("stopping", extra=about(Event.STOPPING))
                manager.stopping()
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _first_of(keeping: asyncio.Task[None], awaited: Awaitable[object]) -> None:
    """Wait for `awaited`, or for the keeper to give up, which raises its reason."""
    other = asyncio.ensure_future(awaited)
    try:
        await asyncio.wait({keeping, other}, return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            await keeping
    finally:
        other.cancel()


async def _stop_signal() -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await stopping.wait()
