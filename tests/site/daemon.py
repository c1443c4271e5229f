"""A running daemon and its worker, which are real processes."""

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.site.directory import Site

PATIENCE = 30.0
"""Seconds that a loaded machine may need for what takes a moment."""

STOP_SECONDS = 10.0

_PROGRAM = Path(sys.executable).with_name("tmsd")
_POLLING_SECONDS = 0.02


class Daemon:
    """A tmsd over a site, started at once and killed at the latest when its block is left.

    Args:
        site: which is served.
        environment: variables beside those of this process.
        through: a command that executes the daemon, whose own command line follows it.
        inherited: descriptors that are passed on.
    """

    def __init__(
        self,
        site: Site,
        *,
        environment: Mapping[str, str] | None = None,
        through: Sequence[str] = (),
        inherited: Sequence[int] = (),
    ) -> None:
        self.site = site
        self._log = site.directory / "stderr.log"
        self._begins = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*through, _PROGRAM, "--config", site.configuration],
                env={**os.environ, **(environment or {})},
                pass_fds=inherited,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> str:
        """What daemon and worker have written so far."""
        return self._log.read_bytes()[self._begins :].decode()

    @property
    def pid(self) -> int:
        """The front's process."""
        return self._process.pid

    @property
    def workers(self) -> list[int]:
        """The workers' processes, from the oldest to the newest."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text()
        return [int(child) for child in children.split()]

    @property
    def worker(self) -> int | None:
        """The worker's process, where there is one."""
        return self.workers[0] if self.workers else None

    def wait_until_ready(self) -> Self:
        """Wait until it serves."""
        wait_until(lambda: "ready: " in self.log or self._has_ended())
        assert not self._has_ended(), self.log
        return self

    def kill_worker(self) -> None:
        """Kill the oldest worker, and wait for its end."""
        assert self.worker is not None
        with Watched(self.worker) as worker:
            worker.send(signal.SIGKILL)
            assert worker.ends_within(PATIENCE)

    def wait_until_told(self, words: str, times: int = 1) -> None:
        """Wait until daemon or worker have written something so many times in all."""
        wait_until(lambda: self.log.count(words) >= times)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the front."""
        self._process.send_signal(number)

    def wait(self, seconds: float = STOP_SECONDS) -> int:
        """Wait for the front to end; return its exit status."""
        return self._process.wait(seconds)

    def stop(self) -> int:
        """Ask the front to end, and wait for it; return its exit status."""
        self.send(signal.SIGTERM)
        return self.wait()

    def _has_ended(self) -> bool:
        return self._process.poll() is not None


class Watched:
    """A process that need not be ours: whether it has ended, without mistaking it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor = os.pidfd_open(pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        os.close(self._descriptor)

    def ends_within(self, seconds: float = PATIENCE) -> bool:
        """Wait for it to end; say whether it did."""
        return bool(select.select([self._descriptor], [], [], seconds)[0])

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this process and to no other that got its number."""
        signal.pidfd_send_signal(self._descriptor, number)


def refuses_to_start(site: Site, environment: Mapping[str, str] | None = None) -> str:
    """Start a daemon that ends by itself; return why, which is the last that it says."""
    with Daemon(site, environment=environment) as daemon:
        assert daemon.wait(PATIENCE) == 1
        log = daemon.log
    assert "Traceback" not in log
    assert "ready: " not in log
    before, said, reason = log.partition("tmsd cannot go on: ")
    assert said
    assert before == "" or before.endswith("\n")
    assert reason.endswith("\n")
    return reason.removesuffix("\n")


def wait_until(holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until a condition holds; TimeoutError if it never does."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(_POLLING_SECONDS)
