"""`tmsctl` in processes of its own that need not load it: one that has, forks for each of them.

Loading takes longer than most commands do. A process that is started once for all tests of a
process loads every command and nothing else, and forks where a test starts `tmsctl`: with the
test's standard streams, directory, environment and umask, as a session of its own if it is on a
terminal. That `tmsctl` is installed and starts by itself other tests show (TMSCTL in terminal.py).
"""

import fcntl
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from tmsd.cli.main import main, tmsctl

_STREAMS = (0, 1, 2)
_LONGEST = 256 * 1024


class LoadedTmsctl:
    """A `tmsctl` that runs; whoever closes it, ends it."""

    def __init__(self, told: socket.socket) -> None:
        self._told = told

    def wait(self, seconds: float) -> int:
        """Return its exit status, below zero the signal that ended it.

        Raises:
            TimeoutError: it has not ended.
        """
        self._told.settimeout(seconds)
        status = self._told.recv(16)
        assert status, "the process that has loaded tmsctl is gone"
        return os.waitstatus_to_exitcode(int(status))

    def close(self) -> None:
        """Kill it, if it still runs."""
        self._told.close()


def start(
    *arguments: str | Path, streams: tuple[int, int, int], cwd: Path | None, on_terminal: bool
) -> LoadedTmsctl:
    """Start `tmsctl`.

    Args:
        arguments: its command line.
        streams: the file descriptors of its standard streams.
        cwd: where it runs; here, if nowhere else.
        on_terminal: the first of the streams is to be its controlling terminal.
    """
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    umask = os.umask(0)
    os.umask(umask)
    wanted = {
        "arguments": [os.fsdecode(argument) for argument in arguments],
        "cwd": os.fsdecode(cwd or Path.cwd()),
        "environment": dict(os.environ),
        "umask": umask,
        "on_terminal": on_terminal,
    }
    with theirs:
        socket.send_fds(_loaded(), [json.dumps(wanted).encode()], [*streams, theirs.fileno()])
    return LoadedTmsctl(mine)


def run(
    *arguments: str | Path, stdin: str, cwd: Path | None, seconds: float
) -> subprocess.CompletedProcess[str]:
    """Run `tmsctl` to its end.

    Raises:
        TimeoutError: it does not come to it.
    """
    (out, theirs_out), (err, theirs_err) = os.pipe(), os.pipe()
    with os.fdopen(os.memfd_create("stdin"), "w+b") as typed:
        typed.write(stdin.encode())
        typed.seek(0)
        streams = (typed.fileno(), theirs_out, theirs_err)
        running = start(*arguments, streams=streams, cwd=cwd, on_terminal=False)
    os.close(theirs_out)
    os.close(theirs_err)
    try:
        told = _until_closed(out, err, seconds)
        status = running.wait(seconds)
    finally:
        running.close()
    return subprocess.CompletedProcess(
        ["tmsctl", *map(str, arguments)], status, *(each.decode() for each in told)
    )


def _until_closed(out: int, err: int, seconds: float) -> list[bytes]:
    """Read two pipes to their ends."""
    told = {out: b"", err: b""}
    until = time.monotonic() + seconds
    with selectors.DefaultSelector() as ready, open(out, "rb", 0) as _, open(err, "rb", 0) as _:
        for pipe in told:
            ready.register(pipe, selectors.EVENT_READ)
        while ready.get_map():
            if not (found := ready.select(until - time.monotonic())):
                raise TimeoutError("tmsctl does not end")
            for key, _ in found:
                if data := os.read(key.fd, 65536):
                    told[key.fd] += data
                else:
                    ready.unregister(key.fd)
    return list(told.values())


@cache
def _loaded() -> socket.socket:
    """Return the socket of the process that has loaded `tmsctl`; it ends with this one."""
    mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST)
    with theirs:
        subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            cwd=Path(__file__).parents[1],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
        )
    return mine


class _Forking:
    """Forks for whoever asks, and tells them how it ended."""

    def __init__(self, asked: socket.socket) -> None:
        self._asked = asked
        self._askers: dict[int, socket.socket] = {}
        self._ready = selectors.DefaultSelector()
        self._woken, self._wakes = socket.socketpair()
        self._wakes.setblocking(False)
        signal.set_wakeup_fd(self._wakes.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._ready.register(asked, selectors.EVENT_READ, self._fork)
        self._ready.register(self._woken, selectors.EVENT_READ, self._tell)

    def until_forked(self) -> None:
        """Return in each process that is forked; end when nobody is left to ask."""
        while True:
            for key, _ in self._ready.select():
                serve: Callable[[], bool] = key.data
                if serve():
                    return

    def _fork(self) -> bool:
        """Fork for a request, and say whether this is the child."""
        message, descriptors, _, _ = socket.recv_fds(self._asked, _LONGEST, len(_STREAMS) + 1)
        if not message:
            for pid in self._askers:
                os.kill(pid, signal.SIGKILL)
            sys.exit()
        *streams, told = descriptors
        pid = os.fork()
        if pid == 0:
            os.close(told)
            self._leave()
            _become(json.loads(message), streams)
            return True
        for stream in streams:
            os.close(stream)
        asker = self._askers[pid] = socket.socket(fileno=told)
        self._ready.register(asker, selectors.EVENT_READ, lambda: self._kill(pid))
        return False

    def _tell(self) -> bool:
        """Tell whoever still asks how what has ended did."""
        self._woken.recv(4096)
        for pid in tuple(self._askers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                with self._askers.pop(pid) as asker:
                    if asker in self._ready.get_map():
                        self._ready.unregister(asker)
                        asker.send(str(status).encode(), socket.MSG_NOSIGNAL)
        return False

    def _kill(self, pid: int) -> bool:
        """End what nobody waits for any more."""
        self._ready.unregister(self._askers[pid])
        os.kill(pid, signal.SIGKILL)
        return False

    def _leave(self) -> None:
        """Leave nothing of this in the child."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._ready.close()
        for held in (self._asked, self._woken, self._wakes, *self._askers.values()):
            held.close()


def _become(wanted: dict[str, Any], streams: Sequence[int]) -> None:
    """Take on what a process gets from whoever starts it."""
    os.chdir(wanted["cwd"])
    os.umask(wanted["umask"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    time.tzset()
    if wanted["on_terminal"]:
        os.setsid()
        fcntl.ioctl(streams[0], termios.TIOCSCTTY, 0)
    for stream, standard in zip(streams, _STREAMS, strict=True):
        os.dup2(stream, standard)
        os.close(stream)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        loaded = getattr(sys, name)
        buffering = 1 if name == "stderr" or os.isatty(loaded.fileno()) else -1
        again = open(  # noqa: SIM115  it has no path, and is open until the end
            loaded.fileno(), mode, buffering, loaded.encoding, loaded.errors, closefd=False
        )
        setattr(sys, name, again)
    sys.argv = ["tmsctl", *wanted["arguments"]]


def _load_all() -> None:
    """Load what the commands do, down to the last."""
    commands: list[click.Command] = [tmsctl]
    context = click.Context(tmsctl)
    for command in commands:
        if isinstance(command, click.Group):
            found = (command.get_command(context, name) for name in command.list_commands(context))
            commands += filter(None, found)
    import_module("tmsd.store.upgrading")


if __name__ == "__main__":
    _load_all()
    _Forking(socket.socket(fileno=int(sys.argv[1]))).until_forked()
    main()
