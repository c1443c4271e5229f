"""A private PC/SC daemon for one process and its children, beside the machine's own.

pcscd's socket is fixed at compile time to /run/pcscd, so the daemon gets a mount namespace of
its own in which that folder is ours; clients find it through PCSCLITE_CSOCK_NAME. It runs as
root or as an ordinary user who may make user namespaces.

libpcsclite reads PCSCLITE_CSOCK_NAME once, at its first call: one private daemon per process.
"""

import contextlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

VPCD_CONFIGURATION = Path("/etc/reader.conf.d/vpcd")
READERS_PER_DRIVER = 2  # one vpcd entry makes a reader on its port and one on the next

_READY_SECONDS = 10.0
_STOP_SECONDS = 5.0
_LONGEST_SOCKET_PATH = 107  # sun_path of unix(7), without the terminating null
_ATTEMPTS = 5  # another process may take a port between our finding it free and vpcd's bind

# The command that makes the namespace, then becomes pcscd: $0 is the folder for the socket,
# the rest is pcscd's command line. An ordinary user cannot make /run/pcscd in the real /run.
_START_IN_NAMESPACE = (
    'mount -t tmpfs none /run && mkdir /run/pcscd && mount --bind "$0" /run/pcscd && exec "$@"'
)


class PcscdError(Exception):
    """The private daemon cannot run here; the text says what would help."""


@dataclass(frozen=True, slots=True)
class PrivatePcscd:
    """A running daemon.

    Attributes:
        socket_path: the value for PCSCLITE_CSOCK_NAME.
        ports: where vpcd waits for cards, one port per reader.
    """

    socket_path: Path
    ports: tuple[int, ...]


@contextlib.contextmanager
def private_pcscd(readers: int = 2) -> Iterator[PrivatePcscd]:
    """Run a private pcscd with that many virtual readers (an even number, at most 16).

    Raises:
        PcscdError: where a program or driver is missing, or the daemon does not come up.
    """
    if readers not in range(2, 17, READERS_PER_DRIVER):
        raise ValueError(f"readers is an even number from 2 to 16, not {readers}")
    program, driver = _find_program("pcscd", package="pcscd"), _find_driver()
    with tempfile.TemporaryDirectory(prefix="pcscd-") as name:
        folder = Path(name)
        socket_path = _prepare(folder)
        for _ in range(_ATTEMPTS):
            ports = _free_ports(readers)
            _configure(folder, driver, ports)
            with (folder / "log").open("wb") as log:
                daemon = subprocess.Popen(
                    _command(program, folder), stdin=subprocess.DEVNULL, stdout=log, stderr=log
                )
            try:
                if _wait_until_ready(daemon, socket_path, ports):
                    yield PrivatePcscd(socket_path, ports)
                    return
            finally:
                _stop(daemon)
        log_text = (folder / "log").read_text(errors="replace")[-2000:]
        raise PcscdError(f"pcscd did not come up in {_ATTEMPTS} attempts; it said:\n{log_text}")


def _find_program(name: str, *, package: str) -> str:
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        raise PcscdError(f"{name} is missing: install the Debian package {package}")
    return path


def _find_driver() -> Path:
    """Return the path of libifdvpcd.so, which Debian keeps in the driver's configuration."""
    if VPCD_CONFIGURATION.exists():
        match = re.search(r"^LIBPATH\s+(\S+)", VPCD_CONFIGURATION.read_text(), re.MULTILINE)
        if match and Path(match[1]).exists():
            return Path(match[1])
    raise PcscdError("the vpcd driver is missing: install the Debian package vsmartcard-vpcd")


def _prepare(folder: Path) -> Path:
    """Make the folders for socket and configuration; return the path of the socket."""
    socket_path = folder / "run" / "pcscd.comm"
    if len(os.fsencode(socket_path)) > _LONGEST_SOCKET_PATH:
        raise PcscdError(
            f"{socket_path} is too long for a Unix socket: set TMPDIR to a shorter one"
        )
    if folder.resolve().is_relative_to("/run"):
        raise PcscdError(f"{folder} is hidden from pcscd: set TMPDIR to a folder outside /run")
    (folder / "run").mkdir()
    (folder / "readers").mkdir()
    return socket_path


def _configure(folder: Path, driver: Path, ports: tuple[int, ...]) -> None:
    """Write the reader configuration; each entry has its own copy of the driver.

    Entries that share a library share its state: one reader shows the other's card.
    """
    entries = []
    for index, port in enumerate(ports[::READERS_PER_DRIVER]):
        own = folder / f"libifdvpcd-{index}.so"
        shutil.copy(driver, own)
        entries.append(
            f'FRIENDLYNAME "Virtual PCD {index}"\nDEVICENAME /dev/null:{port:#06x}\n'
            f"LIBPATH {own}\nCHANNELID {port:#06x}\n"
        )
    (folder / "readers" / "vpcd").write_text("\n".join(entries))


def _command(program: str, folder: Path) -> list[str]:
    unshare = [_find_program("unshare", package="util-linux"), "--mount"]
    if os.geteuid() != 0:
        unshare += ["--user", "--map-root-user"]
    pcscd = [program, "--foreground", "--info", "--config", str(folder / "readers")]
    # Since 2.0 pcscd asks polkit, over a D-Bus that a test machine need not have.
    usage = subprocess.run([program, "--help"], capture_output=True, text=True, check=False)
    if "--disable-polkit" in usage.stdout + usage.stderr:
        pcscd.append("--disable-polkit")
    return [*unshare, "sh", "-c", _START_IN_NAMESPACE, str(folder / "run"), *pcscd]


def _free_ports(count: int) -> tuple[int, ...]:
    """Find consecutive free ports, below the range from which the kernel gives out its own."""
    while True:
        first = 10_000 + secrets.randbelow(22_000)
        ports = tuple(range(first, first + count))
        with contextlib.ExitStack() as held:
            try:
                for port in ports:
                    held.enter_context(socket.create_server(("", port)))
            except OSError:
                continue
            return ports


def _wait_until_ready(
    daemon: subprocess.Popen[bytes], socket_path: Path, ports: tuple[int, ...]
) -> bool:
    """Wait for socket and readers; False where it died or another process has a port."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline and daemon.poll() is None:
        if socket_path.exists() and _listens(daemon.pid, ports):
            return True
        time.sleep(0.005)
    return False


def _listens(pid: int, ports: tuple[int, ...]) -> bool:
    """Tell whether the process itself has a listening socket on each port (proc(5))."""
    listening = {}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A":
            listening[int(fields[1].rpartition(":")[2], 16)] = f"socket:[{fields[9]}]"
    own = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed while we look
            own.add(str(descriptor.readlink()))
    return all(listening.get(port) in own for port in ports)


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
