"""`tmsd --config FILE`: start the front in order, serve, and end in order."""

import asyncio
import logging
import resource
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from ssl import SSLContext
from typing import Any

import click
from aiohttp import web

from tmsd.api.server import Edge, application
from tmsd.api.tls import server_context
from tmsd.audit.chain_file import AuditFileError
from tmsd.audit.log import AuditLog
from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.policy import Policy, load_policy
from tmsd.config.toml import ConfigError
from tmsd.daemon.operations import Operations, listening
from tmsd.daemon.workers import WorkerKeeper, WorkerStartError
from tmsd.tks.service import Tks
from tmsd.tks.used_challenges import UsedChallenges
from tmsd.vault.pool import Vault

LOG = logging.getLogger(__name__)

_SHUTDOWN_SECONDS = 5.0
_KEEPALIVE_SECONDS = 75.0


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
    logging.basicConfig(
        level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        asyncio.run(_run(config_file))
    except (ConfigError, AuditFileError, WorkerStartError, OSError) as error:
        click.echo(f"tmsd cannot go on: {error}", err=True)
        sys.exit(1)


async def _run(config_file: Path) -> None:
    config = load_daemon_config(config_file)
    policy = load_policy(config.policy.file)
    LOG.warning("unsigned policy %s, version %d", policy.source, policy.version)
    tls = server_context(config.api)
    async with AuditLog.open(config.audit.file) as audit:
        vault = Vault(config.worker.deadline_seconds)
        keeper = WorkerKeeper(vault, config.source, policy.digest, config.worker.start_seconds)
        operations = Operations(policy, keeper, audit)
        # The audit log is locked: no other daemon of this configuration uses the socket.
        async with listening(config.operations.socket, operations):
            await _serve(config, keeper, tls, application(_edge(config, policy, vault, audit)))
    LOG.info("stopped")


async def _serve(
    config: DaemonConfig, keeper: WorkerKeeper, tls: SSLContext, app: web.Application
) -> None:
    """Serve callers from the first worker's readiness until a signal."""
    ready = asyncio.Event()
    keeping = asyncio.create_task(keeper.keep(ready))
    try:
        await _first_of(keeping, ready.wait())
        runner = web.AppRunner(
            app,
            access_log=None,
            shutdown_timeout=_SHUTDOWN_SECONDS,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            auto_decompress=False,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, config.api.host, config.api.port, ssl_context=tls).start()
            LOG.info("ready: https://%s", config.api.listen)
            await _first_of(keeping, _stop_signal())
        finally:
            await runner.cleanup()
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


def _edge(config: DaemonConfig, policy: Policy, vault: Vault, audit: AuditLog) -> Edge:
    used_challenges = UsedChallenges(config.limits.challenge_seconds)
    tks = Tks(vault=vault, policy=policy, used_challenges=used_challenges)
    return Edge(tks=tks, audit=audit, body_seconds=config.limits.request_timeout_seconds)


async def _first_of(keeping: asyncio.Task[None], awaited: Coroutine[Any, Any, object]) -> None:
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
