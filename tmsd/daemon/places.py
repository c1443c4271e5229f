"""Where workers work: what [worker] of tmsd.toml comes to."""

from tmsd.config.daemon import DaemonConfig, WorkerConfig
from tmsd.daemon.worker_process import Connecting, Spawning
from tmsd.daemon.workers import Endurance, Place
from tmsd.vault.fair_queue import QueueLimits
from tmsd.vault.message import Lane


def places(config: DaemonConfig) -> list[Place]:
    """Return the places, fast ones first."""
    worker = config.worker
    deadlines = deadline_seconds(worker)
    if not worker.sockets:
        spawning = Spawning(config.source, worker.start_seconds)
        lanes = [Lane.FAST] * worker.count + [Lane.SLOW] * worker.slow_count
        return [Place(n, lane, deadlines[lane], spawning) for n, lane in enumerate(lanes, start=1)]
    lanes = [Lane.FAST] * len(worker.sockets) + [Lane.SLOW] * len(worker.slow_sockets)
    paths = (*worker.sockets, *worker.slow_sockets)
    return [
        Place(n, lane, deadlines[lane], Connecting(path, worker.start_seconds))
        for n, (lane, path) in enumerate(zip(lanes, paths, strict=True), start=1)
    ]


def deadline_seconds(worker: WorkerConfig) -> dict[Lane, float]:
    """Return how long a request may take, by lane."""
    return {Lane.FAST: worker.deadline_seconds, Lane.SLOW: worker.slow_deadline_seconds}


def queue_limits(worker: WorkerConfig) -> QueueLimits:
    """Return how many requests may wait in a lane."""
    return QueueLimits(worker.queue_per_caller, worker.queue)


def endurance(worker: WorkerConfig) -> Endurance:
    """Return when a worker is replaced."""
    return Endurance(
        worker.recycle_derivations, worker.recycle_megabytes << 20, worker.start_seconds
    )
