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
from tmsd.api.tls import load_admission
from tmsd.audit.chain_file import AuditFileError
from tmsd.audit.log import AuditLog
from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import load_policy
from tmsd.config.toml import ConfigError
from tmsd.daemon.database import database_place
from tmsd.daemon.expiry import say_what_runs_out, warn_of_expiry
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
    wanted = asyncio.Event()
    # From here on SIGHUP is no longer the end of the process.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, wanted.set)
    config = load_daemon_config(config_file)
    policy = load_policy(config.policy.file)
    LOG.warning("unsigned policy %s, version %d", policy.source, policy.version)
    admission = load_admission(config)
    say_what_runs_out(admission.trust)
    async with (
        kept_informed(manager),
        AuditLog.open(config.audit.file) as audit,
        Store.open(database_place(config.store)) as store,
    ):
        vault = Vault(
            deadline_seconds(config.worker),
            queue_limits(config.worker),
            lambda told: audit.note(recorded_receipt(told)),
        )
        workers = Workers(
            vault,
            places(config),
            endurance(config.worker),
            policy.digest,
            audit.note_lost_answers,
        )
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
        edge = Edge(
            tks=tks,
            trust=admission.trust,
            audit=audit,
            body_seconds=config.limits.request_timeout_seconds,
        )
        app = application(edge)
        listener = Listener(config.api, config.limits, admission.tls, app, tuple(inherited))
        # The audit log is locked: no other daemon of this configuration uses the socket.
        async with operations_listening(config.operations.socket, operations):
            reloading = Reloading(config_file, edge, operations, manager, wanted)
            await _serve(listener, reloading)
    LOG.info("stopped")


async def _serve(listener: Listener, reloading: Reloading) -> None:
    """Serve callers from the first worker's readiness until a signal."""
    operations, manager = reloading.operations, reloading.manager
    ready = asyncio.Event()
    manager.starting("the HSM")
    keeping = asyncio.create_task(operations.workers.keep(ready))
    try:
        await _first_of(keeping, ready.wait())
        async with listener.open() as listening:
            serving = f"serving callers at {listening.addresses}"
            LOG.info("ready: %s", listening.addresses, extra=about(Event.READY))
            manager.ready(serving)
            beside = [
                asyncio.create_task(tell_changes(manager, operations, serving)),
                asyncio.create_task(reloading.whenever_wanted(listening, serving)),
                asyncio.create_task(warn_of_expiry(reloading.edge)),
            ]
            try:
                await _first_of(keeping, _stop_signal())
            finally:
                for task in beside:
                    task.cancel()
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
