"""The edge for TPSs of Dogtag, as a daemon has it: beside the API, and asking the same service."""

import socket
from collections.abc import Sequence

from tmsd.api.server import Edge
from tmsd.config.daemon import DaemonConfig
from tmsd.daemon.admission import Admissions
from tmsd.daemon.listener import Entrance
from tmsd.dogtag.application import DogtagEdge, application
from tmsd.store.store import Store
from tmsd.tks.dogtag_memory import DogtagMemory, IssuedChallenges, Vouchers
from tmsd.tks.unverified_keys import UnverifiedKeys


def dogtag_edge(
    config: DaemonConfig, admissions: Admissions, api: Edge, store: Store
) -> DogtagEdge | None:
    """Return the edge; None where tmsd.toml has no table for it."""
    if admissions.dogtag is None:
        return None
    return DogtagEdge(
        tks=lambda: api.services.tks,
        memory=DogtagMemory(
            IssuedChallenges(store, config.limits.challenge_seconds),
            Vouchers(store),
            UnverifiedKeys(),
        ),
        trust=admissions.dogtag.trust,
        audit=api.audit,
        body_seconds=config.limits.request_timeout_seconds,
    )


def entrance(
    config: DaemonConfig,
    admissions: Admissions,
    edge: DogtagEdge | None,
    inherited: Sequence[socket.socket] = (),
) -> Entrance | None:
    """Return how TPSs reach the edge, if there is one."""
    if edge is None or admissions.dogtag is None or config.dogtag is None:
        return None
    listen = config.dogtag.filled_in(config.api)
    return Entrance(listen, admissions.dogtag.tls, application(edge), tuple(inherited))
