"""The operations socket: how the daemon is, told to those who run it, by HTTP on a Unix socket.

`/alive`: the process answers. `/ready`: it can serve callers, or 503 and why not. `/state`:
what it serves and which way, a JSON document (docs/operations.md). Nothing here is secret and
nothing can be changed; even so, only the daemon's own user may connect.
"""

import os
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from aiohttp import web

from tmsd.audit.log import AuditLog
from tmsd.clock import now
from tmsd.config.key_sets import KeySet
from tmsd.config.policy import Policy
from tmsd.config.unsafe import warnings
from tmsd.config.ways import KeySetWays, Way, Ways, capabilities_of, ways
from tmsd.daemon.worker_process import Worker
from tmsd.daemon.workers import Place, Workers
from tmsd.store.store import Store
from tmsd.vault.worker_messages import Started

# The daemon spawns its workers itself, and they inherit its user.
_EMBEDDED = "embedded: front and workers run as one user"
_SEPARATE = "separate: workers are started by somebody else, and reached by sockets"
_UNKNOWN = "unknown: no worker has started yet"
_NO_WORKER = "no worker: the HSM cannot be asked"

_OWNER_ALONE = 0o177


@dataclass(slots=True)
class Operations:
    """What the socket tells about.

    Attributes:
        policy: is gone by; a reload puts another in its place.
        reload_refused: why the last reload changed nothing; None where it did, or none was.
    """

    policy: Policy
    workers: Workers
    audit: AuditLog
    store: Store
    is_embedded: bool
    reload_refused: str | None = None

    @property
    def is_approved(self) -> bool:
        """Whether a worker has told that a quorum approved the policy."""
        told = self.workers.announced
        return told is not None and told.policy_approval is not None

    def obstacles(self) -> list[str]:
        """Return why callers cannot be served now; empty where they can."""
        obstacles = [] if self.workers.is_serving else [_without_worker(self.workers)]
        if self.audit.fault is not None:
            obstacles.append(f"the audit log cannot be written: {self.audit.fault}")
        if self.store.fault is not None:
            obstacles.append(f"the database cannot be used: {self.store.fault}")
        return obstacles

    def state(self) -> Mapping[str, object]:
        """Return what is served, and which way; docs/operations.md explains each field."""
        policy = self.policy
        told = self.workers.announced
        found = ways(policy, capabilities_of(told.capabilities)) if told else None
        return {
            "version": version("tmsd"),
            "policy": {
                "file": str(policy.source),
                "version": policy.version,
                "digest": policy.digest,
                **_approval(told),
            },
            "reload": {"refused": self.reload_refused},
            "workers": {
                "ready": self.workers.is_serving,
                "separation": _EMBEDDED if self.is_embedded else _SEPARATE,
                "waiting": self.workers.waiting,
                "places": [_place(place, worker) for place, worker in self.workers.by_place()],
            },
            "audit": {"fault": self.audit.fault},
            "store": {"fault": self.store.fault},
            "key_sets": {
                name: _key_set(key_set, found.key_sets[name] if found else None)
                for name, key_set in policy.key_sets.items()
            },
            "transport_keys": _transport_keys(policy, found),
            "warnings": [*_unsigned(told), *warnings(policy)],
        }


@asynccontextmanager
async def listening(path: Path | None, operations: Operations) -> AsyncIterator[None]:
    """Answer on the socket until left; do nothing where there is none.

    A socket that is there already is taken for that of a daemon that ended without removing
    it: call this only where no other daemon of this configuration can be running.

    Raises:
        OSError: the socket cannot be made.
    """
    if path is None:
        yield
        return
    bound = _bound(path)
    runner = web.AppRunner(_application(operations), access_log=None)
    try:
        await runner.setup()
        await web.SockSite(runner, bound).start()
        yield
    finally:
        await runner.cleanup()
        bound.close()
        _remove(path)


def _bound(path: Path) -> socket.socket:
    """Return a bound socket that nobody else could connect to at any time."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(_OWNER_ALONE)
    try:
        if path.is_socket():
            path.unlink()
        bound.bind(str(path))
    except OSError as error:
        bound.close()
        raise OSError(error.errno, f"operations socket: {error.strerror}", str(path)) from error
    finally:
        os.umask(umask)
    return bound


def _remove(path: Path) -> None:
    with suppress(OSError):  # somebody did already, or may: the next start copes with it
        path.unlink()


def _application(operations: Operations) -> web.Application:
    async def alive(_request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def ready(_request: web.Request) -> web.Response:
        obstacles = operations.obstacles()
        document = {"ready": not obstacles, "obstacles": obstacles}
        return web.json_response(document, status=503 if obstacles else 200)

    async def state(_request: web.Request) -> web.Response:
        return web.json_response(operations.state())

    app = web.Application()
    app.router.add_get("/alive", alive)
    app.router.add_get("/ready", ready)
    app.router.add_get("/state", state)
    return app


def _approval(told: Started | None) -> Mapping[str, object]:
    """Say who approved the policy, as a worker tells; null before one has."""
    approval = told.policy_approval if told else None
    activated = datetime.fromtimestamp(approval.activated, UTC) if approval else None
    return {
        "signed": approval is not None if told else None,
        "approved_by": approval.approved_by if approval else [],
        "activated": f"{activated:%Y-%m-%dT%H:%M:%SZ}" if activated else None,
    }


def _unsigned(told: Started | None) -> Iterator[str]:
    if told is not None and told.policy_approval is None:
        yield "unsigned policy: whoever writes its file decides"


def _without_worker(workers: Workers) -> str:
    """Say why no worker can be asked, as far as they have told."""
    conditions = [worker.connection.condition for _, worker in workers.by_place() if worker]
    reasons = {condition.reason for condition in conditions if condition and condition.reason}
    return f"{_NO_WORKER}: {'; '.join(sorted(reasons))}" if reasons else _NO_WORKER


def _place(place: Place, worker: Worker | None) -> Mapping[str, object]:
    told: dict[str, object] = {"place": place.number, "lane": place.lane.value}
    if worker is None:
        return told | {"state": "none"}
    condition = worker.connection.condition
    told |= {
        "worker": worker.announced.worker.hex(),
        "name": worker.name,
        "state": condition.state if condition else "operational",
        "outstanding": worker.connection.outstanding,
    }
    if condition is None:
        return told
    return told | {
        "generation": condition.generation,
        "derivations": condition.derivations,
        "resident_bytes": condition.resident_bytes,
        "reason": condition.reason,
    }


def _key_set(key_set: KeySet, found: KeySetWays | None) -> Mapping[str, object]:
    present = now()
    return {
        "versions": {
            str(number): version.state(present).value
            for number, version in key_set.versions.items()
        },
        "newest_version": key_set.newest_version(present),
        "card_keys": _told(found.card_keys) if found else _UNKNOWN,
        "sessions": _told(found.sessions) if found else _UNKNOWN,
        "put_key": _told(found.put_key) if found else _UNKNOWN,
        "factory": key_set.factory,
        "undiversified": key_set.undiversified,
    }


def _transport_keys(policy: Policy, found: Ways | None) -> Mapping[str, object]:
    return {
        name: {
            "version": key.version,
            "wraps": _told(found.transport_keys[name]) if found else _UNKNOWN,
            "static_deks": {key_set: _told(way) for key_set, way in found.static_deks[name].items()}
            if found
            else _UNKNOWN,
        }
        for name, key in policy.transport_keys.items()
    }


def _told(way: Way | None) -> str | None:
    return None if way is None else str(way)
