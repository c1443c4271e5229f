"""What takes turns in bench.session: a program that is told a number, and a worker's socket."""

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tmsd.vault.card_messages import ChannelOpened, OpenChannel
from tmsd.vault.framing import FrameReader, encode
from tmsd.vault.messages import AnyRequest, Question, Reply
from tmsd.vault.worker_messages import Started

_PIPELINED = 32
_PATIENCE = 600.0
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one session took in a turn, in microseconds, by the clock and of processor time.

    Attributes:
        wall: by the clock, of whatever was done at once.
        cpu: of the program's processor time; of the worker's, where there is a daemon.
        front: of the front's processor time, where there is one.
        asker: of the asking program's.
    """

    wall: float
    cpu: float
    front: float = 0.0
    asker: float = 0.0


class Program:
    """A program that opens so many channels at a line, and says what they took."""

    def __init__(self, command: list[str], first_lines: str) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._say(first_lines)

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()

    def line(self) -> str:
        """Return a line of its output."""
        if self._process.stdout is None or not (line := self._process.stdout.readline()):
            raise SystemExit(f"{self._process.args!r} ended")
        return line.strip()

    def turn(self, count: int) -> Turn:
        """Have it open channels."""
        self._say(str(count))
        wall, cpu = (float(word) * 1e6 / count for word in self.line().split())
        return Turn(wall, cpu)

    def _say(self, line: str) -> None:
        if self._process.stdin is None:
            raise TypeError
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


class Worker:
    """A worker without a front, over its socket."""

    def __init__(self, configuration: Path) -> None:
        self._socket, its_end = socket.socketpair()
        self._socket.settimeout(_PATIENCE)
        with its_end:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tmsd.worker", "--config", configuration),
                    *("--descriptor", str(its_end.fileno())),
                ],
                pass_fds=[its_end.fileno()],
                stderr=subprocess.DEVNULL,
            )
        self._reader = FrameReader(Reply)
        (started,) = self._replies(1)
        if not isinstance(started.answer, Started):
            raise SystemExit(f"the worker did not start: {started.answer}")

    def close(self) -> None:
        """Let it end."""
        self._socket.close()
        self._process.wait()

    def ask(self, request: AnyRequest) -> Reply:
        """Ask one question, and return the reply."""
        self._socket.sendall(_question(request))
        (reply,) = self._numbered(1)
        return reply

    def turn(self, request: OpenChannel, count: int) -> Turn:
        """Open channels, some of them asked for before the others are there."""
        question = _question(request)
        begun, cpu = time.perf_counter(), cpu_seconds(self._process.pid)
        outstanding, left, replies = 0, count, []
        while left or outstanding:
            more = min(_PIPELINED - outstanding, left)
            self._socket.sendall(question * more)
            left -= more
            came = self._numbered()
            outstanding += more - len(came)
            replies += came
        taken, cpu = time.perf_counter() - begun, cpu_seconds(self._process.pid) - cpu
        if not all(isinstance(reply.answer, ChannelOpened) for reply in replies):
            raise SystemExit(f"the worker refused: {replies[0].answer}")
        return Turn(taken * 1e6 / count, cpu * 1e6 / count)

    def _numbered(self, at_least: int = 1) -> list[Reply]:
        """Return replies to questions; what the worker says unasked is of no matter here."""
        replies: list[Reply] = []
        while len(replies) < at_least:
            replies += [reply for reply in self._replies(1) if reply.number]
        return replies

    def _replies(self, at_least: int) -> list[Reply]:
        replies: list[Reply] = []
        while len(replies) < at_least:
            if not (received := self._socket.recv(1 << 16)):
                raise SystemExit("the worker ended")
            replies += self._reader.feed(received)
        return replies


def cpu_seconds(pid: int) -> float:
    """Return how much processor time a process has used (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _question(request: AnyRequest) -> bytes:
    return encode(Question(1, time.monotonic() + _PATIENCE, request))
