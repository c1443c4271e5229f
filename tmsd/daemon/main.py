"""The front, `tmsd --config FILE`: start it in order, serve, and end in order."""

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable
from functools import partial
from pathlib import Path

from tmsd.api.routes import Services
from tmsd.api.server import Edge, application
from tmsd.asking import recorded_receipt
from tmsd.audit.chain_file import AuditFileError
from tmsd.audit.log import AuditLog
from tmsd.ca import schedule
from tmsd.ca.service import Certification
from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import load_policy
from tmsd.config.toml import ConfigError
from tmsd.daemon.admission import load_admissions
from tmsd.daemon.dogtag import dogtag_edge, entrance
from tmsd.daemon.expiry import say_what_runs_out, warn_of_expiry
from tmsd.daemon.held_keys import HeldKeys
from tmsd.daemon.listener import Entrance, Listener
from tmsd.daemon.notifying import tell_changes
from tmsd.daemon.operations import Operations
from tmsd.daemon.operations import listening as operations_listening
from tmsd.daemon.places import deadline_seconds, endurance, places, queue_limits
from tmsd.daemon.reload import Reloading
from tmsd.daemon.workers import Workers
from tmsd.database import database_place
from tmsd.program import kept_informed, run, stop_signal
from tmsd.store.error import StoreError
from tmsd.store.reader import Reader
from tmsd.store.store import Store
from tmsd.systemd.journal import Event, about
from tmsd.systemd.notifying import ServiceManager
from tmsd.tks.budgets import Budgets
from tmsd.tks.card_failures import CardFailures
from tmsd.tks.cards_seen import CardsSeen
from tmsd.tks.judging import Judging
from tmsd.tks.service import Tks
from tmsd.tks.used_challenges import UsedChallenges
from tmsd.vault.pool import Vault
from tmsd.vault.reaching import WorkerStartError

LOG = logging.getLogger(__name__)


def serve(config_file: Path) -> None:
    """Serve callers until a signal."""
    run(
        "tmsd",
        partial(_run, config_file),
        *(ConfigError, AuditFileError, StoreError, WorkerStartError),
    )


async def _run(config_file: Path, manager: ServiceManager, inherited: list[socket.socket]) -> None:
    wanted = asyncio.Event()
    # From here on SIGHUP is no longer the end of the process.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, wanted.set)
    config = load_daemon_config(config_file)
    policy = load_policy(config.policy.file)
    admissions = load_admissions(config)
    async with (
        kept_informed(manager),
        AuditLog.open(config.audit.file) as audit,
        Store.open(database_place(config.store)) as store,
        Reader.open(database_place(config.store)) as reader,
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
        held_keys = HeldKeys(store, workers, policy)
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
            cards_seen=CardsSeen(store),
        )
        ca = Certification(vault, policy, store, reader, audit)
        edge = Edge(
            services=Services(tks, ca),
            trust=admissions.api.trust,
            audit=audit,
            body_seconds=config.limits.request_timeout_seconds,
        )
        dogtag = dogtag_edge(config, admissions, edge, store)
        listener = Listener(
            config.limits,
            Entrance(config.api, admissions.api.tls, application(edge), tuple(inherited)),
            entrance(config, admissions, dogtag),
        )
        # The audit log is locked: no other daemon of this configuration uses the socket.
        async with (
            operations_listening(config.operations.socket, operations),
            tks.cards_seen.written(),
            held_keys.told(),
        ):
            reloading = Reloading(config_file, edge, dogtag, operations, held_keys, manager, wanted)
            say_what_runs_out(reloading.trusts)
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
        if not operations.is_approved:
            policy = operations.policy
            LOG.warning("unsigned policy %s, version %d", policy.source, policy.version)
        async with listener.open(operations.policy) as listening:
            stopping = stop_signal()  # before anybody is told that it is ready
            serving = f"serving callers at {listening.addresses}"
            LOG.info("ready: %s", listening.addresses, extra=about(Event.READY))
            manager.ready(serving)
            beside = [
                asyncio.create_task(tell_changes(manager, operations, serving)),
                asyncio.create_task(reloading.whenever_wanted(listening, serving)),
                asyncio.create_task(warn_of_expiry(lambda: reloading.trusts)),
                asyncio.create_task(schedule.keep(lambda: reloading.edge.services.ca)),
            ]
            try:
                await _first_of(keeping, stopping.wait())
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
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
