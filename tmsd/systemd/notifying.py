"""Telling systemd how this process is: starting, ready, reloading, stopping, alive (sd_notify(3)).

Each word goes out as it stands in the man page. Where no service manager listens, because
$NOTIFY_SOCKET is not set, nothing is sent.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from tmsd.clock import monotonic
from tmsd.systemd.library import required

# A word is sent this many times within the interval after which systemd gives the process up.
_WORDS_PER_INTERVAL = 3


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """Whoever supervises this process, and listens or not.

    Attributes:
        watchdog_seconds: after how long without a word of life systemd kills the process;
            None if it never does.
    """

    _tell: Callable[[str], object] | None
    watchdog_seconds: float | None = None

    @classmethod
    def of_this_process(cls) -> Self:
        """Return the manager that the environment names.

        Raises:
            SystemdLibraryMissing: it names one, and systemd-python is not installed.
        """
        if "NOTIFY_SOCKET" not in os.environ:
            return cls(None)
        return cls(required("systemd.daemon", "$NOTIFY_SOCKET").notify, _watchdog_seconds())

    def starting(self, awaited: str) -> None:
        """Say what the start waits for."""
        self._say(f"STATUS=starting: {awaited}")

    def ready(self, state: str) -> None:
        """Say that callers are served, after a start or a reload."""
        self._say(f"READY=1\nSTATUS={state}")

    def status(self, state: str) -> None:
        """Say how things are, in a line for `systemctl status`."""
        self._say(f"STATUS={state}")

    def reloading(self) -> None:
        """Say that the configuration is read anew; `ready` must follow.

        The time lets systemd tell this reload from an earlier one (sd_notify(3),
        MONOTONIC_USEC).
        """
        microseconds = int(monotonic() * 1_000_000)
        self._say(f"RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS=reloading")

    def stopping(self) -> None:
        """Say that the end has begun."""
        self._say("STOPPING=1\nSTATUS=stopping")

    async def keep_alive(self) -> None:
        """Give a word of life for as long as this is awaited: that is, while the loop turns."""
        if self.watchdog_seconds is None:
            return
        while True:
            self._say("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_seconds / _WORDS_PER_INTERVAL)

    def _say(self, words: str) -> None:
        if self._tell is not None:
            with suppress(OSError):  # callers are served whether or not somebody listens
                self._tell(words)


def _watchdog_seconds() -> float | None:
    """Return what systemd wants of this process and of no child of it (sd_watchdog_enabled(3))."""
    if os.environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    microseconds = os.environ.get("WATCHDOG_USEC", "0")
    return int(microseconds) / 1_000_000 if microseconds.isdecimal() and int(microseconds) else None
