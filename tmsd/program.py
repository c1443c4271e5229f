"""A program that serves until it is told to end: its log, its words to systemd, its end."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import click

from tmsd.private_memory import keep_memory_private
from tmsd.systemd.activation import UnusableSocket, inherited_listeners
from tmsd.systemd.journal import Event, about, log_to_journal_or_stderr
from tmsd.systemd.library import SystemdLibraryMissing
from tmsd.systemd.notifying import ServiceManager

LOG = logging.getLogger(__name__)

_REASONS_TO_END = (SystemdLibraryMissing, UnusableSocket, OSError)

Serving = Callable[[ServiceManager, list[socket.socket]], Coroutine[None, None, None]]
"""Serves until it is told to end; gets the service manager, and the sockets that it made."""


def run(name: str, serve: Serving, *reasons_to_end: type[Exception]) -> None:
    """Run a program; where it cannot go on, log why and end with status 1.

    Args:
        name: in the journal.
        serve: the program.
        reasons_to_end: exceptions that are reasons, and no faults of the program.
    """
    reasons: tuple[type[Exception], ...] = (*_REASONS_TO_END, *reasons_to_end)
    in_journal = log_to_journal_or_stderr(name)
    keep_memory_private()
    try:
        asyncio.run(serve(ServiceManager.of_this_process(), inherited_listeners("TCP")))
    except reasons as error:
        reason = f"{name} cannot go on: {error}"
        if in_journal:
            LOG.critical(reason, extra=about(Event.FAILED))
        else:
            click.echo(reason, err=True)
        sys.exit(1)


@asynccontextmanager
async def kept_informed(manager: ServiceManager) -> AsyncIterator[None]:
    """Give words of life until left.

    They come from the loop that serves: if it hangs, they stop, and systemd kills and replaces the
    process.
    """
    living = asyncio.create_task(manager.keep_alive())
    try:
        yield
    finally:
        living.cancel()
        await asyncio.gather(living, return_exceptions=True)


def stop_signal() -> asyncio.Event:
    """Return what SIGTERM and SIGINT set from now on; before, they end the process."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    return stopping
