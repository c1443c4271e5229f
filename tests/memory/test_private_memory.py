"""Processes that hold PINs or keys dump no core, and nobody but root reads their memory."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from tests.site.daemon import Daemon, wait_until
from tests.site.fixtures import MakeSite

_UNPRIVILEGED = ["setpriv", "--bounding-set=-sys_ptrace"] if os.geteuid() == 0 else []
"""Starts what may look into other processes of its user and no more, be that user root."""

_OPEN = "import sys; open(sys.argv[1], 'rb').close()"


def is_private(pid: int) -> bool:
    """Say whether a process dumps no core, and no other of its user can open its memory."""
    limits = Path(f"/proc/{pid}/limits").read_text()
    opened = subprocess.run(
        [*_UNPRIVILEGED, sys.executable, "-c", _OPEN, f"/proc/{pid}/mem"],
        stderr=subprocess.PIPE,
        check=False,
    )
    assert opened.returncode == 0 or b"PermissionError" in opened.stderr
    return bool(opened.returncode and re.search(r"(?m)^Max core file size +0 ", limits))


def become_private(command: Sequence[str | Path], inherited: Sequence[int] = ()) -> bool:
    """Start a program that waits for something, and say whether it becomes private."""
    with subprocess.Popen(
        [*_UNPRIVILEGED, *command], pass_fds=inherited, stdin=subprocess.PIPE
    ) as waiting:
        try:
            wait_until(lambda: is_private(waiting.pid), 10)
        except TimeoutError:
            return False
        finally:
            waiting.kill()
    return True


def test_another_process_of_the_user_can_be_read() -> None:
    with subprocess.Popen([*_UNPRIVILEGED, "cat"], stdin=subprocess.PIPE) as waiting:
        assert not is_private(waiting.pid)
        waiting.kill()


def test_front_and_worker_cannot(make_site: MakeSite) -> None:
    with Daemon(make_site(), through=_UNPRIVILEGED) as daemon:
        daemon.wait_until_ready()
        assert is_private(daemon.pid)
        assert [is_private(worker) for worker in daemon.workers] == [True]


def test_neither_can_tmsctl_nor_what_asks_officers_for_their_pins(tmp_path: Path) -> None:
    tmsctl = Path(sys.executable).with_name("tmsctl")
    never_written = tmp_path / "tmsd.toml"
    os.mkfifo(never_written)
    assert become_private([tmsctl, "check", "hsm", "--config", never_written])

    here, there = socket.socketpair()
    with closing(here), closing(there):
        descriptor = str(there.fileno())
        program = ["-m", "tmsd.ceremony.officer_card_process", "--seconds", "9"]
        command = [sys.executable, *program, "--descriptor", descriptor]
        assert become_private(command, [there.fileno()])
