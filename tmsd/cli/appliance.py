"""The appliance at work for `tmsctl`: a worker of its own, the store, and a record of its own.

The daemon may run beside it: it has other workers and another chain of records, and both write to
one store. What no caller can have comes from here alone.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from tmsd.asking import recorded_receipt
from tmsd.audit.log import AuditLog
from tmsd.audit.trail import Trail, recorded
from tmsd.ca.service import Certification
from tmsd.config.callers import APPLIANCE
from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.policy import load_policy
from tmsd.daemon.places import deadline_seconds, queue_limits
from tmsd.daemon.worker_process import Spawning, Worker
from tmsd.database import database_place
from tmsd.store.reader import Reader
from tmsd.store.store import Store
from tmsd.vault.message import Lane
from tmsd.vault.pool import Vault
from tmsd.vault.reaching import WorkerStartError

LOG = logging.getLogger(__name__)

T = TypeVar("T")


def record_of_appliance(audit_file: Path) -> Path:
    """Return where `tmsctl` keeps its chain of records: beside that of the daemon."""
    return audit_file.with_name(f"{audit_file.stem}.tmsctl{audit_file.suffix}")


@asynccontextmanager
async def certification(
    config_file: Path, *, without_hsm: bool = False
) -> AsyncIterator[Certification]:
    """Give the certificate authority's service to one who works at the appliance.

    Args:
        config_file: tmsd.toml.
        without_hsm: whether it serves without a worker where none can start: revoking takes none.

    Raises:
        ConfigError, AuditFileError, StoreError, WorkerStartError: as they say.
    """
    config = load_daemon_config(config_file)
    policy = load_policy(config.policy.file)
    async with (
        AuditLog.open(record_of_appliance(config.audit.file)) as audit,
        Store.open(database_place(config.store)) as store,
        Reader.open(database_place(config.store)) as reader,
    ):
        vault = Vault(
            deadline_seconds(config.worker),
            queue_limits(config.worker),
            lambda told: audit.note(recorded_receipt(told)),
        )
        service = Certification(vault, policy, store, reader, audit)
        worker = await _worker(config, policy.digest, without_hsm=without_hsm)
        if worker is None:
            yield service
            return
        for lane in Lane:
            vault.attach(worker.connection, lane)
        patience = config.worker.slow_deadline_seconds
        delivering = asyncio.create_task(
            worker.connection.deliver_answers(lambda: patience, vault.reconsider)
        )
        try:
            yield service
        finally:
            delivering.cancel()
            await asyncio.gather(delivering, return_exceptions=True)
            await worker.running.stop()


async def _worker(config: DaemonConfig, policy_digest: str, *, without_hsm: bool) -> Worker | None:
    spawning = Spawning(config.source, config.worker.start_seconds, for_appliance=True)
    try:
        return await spawning.start(policy_digest)
    except WorkerStartError as error:
        if not without_hsm:
            raise
        LOG.warning("the HSM cannot be used: %s", error)
        return None


def done_at_appliance(
    config_file: Path,
    operation: str,
    work: Callable[[Certification, Trail], Awaitable[T]],
    *,
    without_hsm: bool = False,
) -> T:
    """Do one thing at the appliance, and put it on record; also without a worker, if it may be.

    Raises:
        ConfigError: tmsd.toml or the policy is not right.
        ServiceError, WorkerStartError, StoreError, AuditFileError: it was refused, or failed.
    """

    async def done() -> T:
        async with certification(config_file, without_hsm=without_hsm) as service:
            trail = Trail(operation, request_id=uuid4().hex, caller=APPLIANCE)
            async with recorded(service.audit, trail):
                return await work(service, trail)

    return asyncio.run(done())


def on_record(
    audit_file: Path,
    operation: str,
    work: Callable[[Trail], T],
    *,
    intent: Mapping[str, str | int | bool] | None = None,
) -> T:
    """Do one thing that takes no worker and no store, and put it on record.

    Args:
        audit_file: the daemon's, beside which the record is.
        operation: as the record calls it.
        work: what is done; its outcome is worth nothing until it is on record.
        intent: what is on record before it is tried, where it cannot be taken back.

    Raises:
        ServiceError, AuditFileError: it could not be put on record.
    """

    async def done() -> T:
        async with AuditLog.open(record_of_appliance(audit_file)) as audit:
            trail = Trail(operation, request_id=uuid4().hex, caller=APPLIANCE)
            async with recorded(audit, trail):
                if intent is not None:
                    await audit.record(trail.intent(dict(intent)))
                return work(trail)

    return asyncio.run(done())
