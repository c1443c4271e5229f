"""A system that really boots: this machine's own root under systemd-nspawn, written to memory.

An overlay over `/` takes all that is changed, so that nothing is downloaded and nothing is left.
Overlay and memory are mounted in a mount namespace, and everything runs in a process namespace,
that end with the process that started them, however that ends. The system has no network but a
loopback device of its own.
"""

import ctypes
import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.site.daemon import wait_until

BOOT_SECONDS = 60.0
STOP_SECONDS = 20.0
COMMAND_SECONDS = 60.0

# An orderly power-off, told to the container's first process (systemd(1), SIGRTMIN+3).
_POWER_OFF = signal.SIGRTMIN + 3
_CLONE_NEWNET = 0x40000000
_PATH = "PATH=/usr/sbin:/usr/bin:/sbin:/bin"
_NAMESPACES = ("-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w")

# The first process of its namespaces, so that all end with it. The control groups keep apart
# containers that run at the same time. `bpf` and its right are for IPAddressDeny=, `@memlock` for
# mlock(2).
_BOOT = """
set -eu
for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    if [ -e "$hierarchy/cgroup.procs" ]; then
        mkdir "$hierarchy/$2"
        echo $$ >"$hierarchy/$2/cgroup.procs"
    fi
done
mount -t tmpfs -o mode=755,size=1g tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
rm -f "$1/root/etc/machine-id"
echo "$3" >"$1/root/etc/machine-id"
systemd-nspawn --quiet --directory="$1/root" --machine="$2" --register=no --keep-unit \\
    --private-network --console=pipe --boot \\
    --capability=CAP_IPC_LOCK,CAP_BPF,CAP_NET_ADMIN --system-call-filter="@keyring @memlock bpf" \\
    systemd.unit=basic.target
"""


_TRIAL = """
set -e
for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
    if [ -e "$hierarchy/cgroup.procs" ]; then
        mkdir "$hierarchy/tmsd-trial-$$"
        rmdir "$hierarchy/tmsd-trial-$$"
    fi
done
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
"""


def obstacle() -> str | None:
    """Return why no system can be booted here; None where one can."""
    if os.geteuid() != 0:
        return "only root can mount an overlay and boot a container"
    for program in ("systemd-nspawn", "nsenter", "unshare", "setpriv"):
        if shutil.which(program) is None:
            return f"{program} is not installed"
    trial = ["unshare", "--mount", "sh", "-c", _TRIAL]
    refused = subprocess.run(trial, capture_output=True, text=True, check=False)
    return f"no container can be set up here: {refused.stderr}" if refused.returncode else None


class Container:
    """A booted system.

    Args:
        leader: its first process, as this machine numbers it.
    """

    def __init__(self, leader: int) -> None:
        self._leader = leader

    def run(self, *command: str, given: bytes | None = None, user: str = "root") -> str:
        """Run a program inside, which must succeed; return what it prints."""
        done = self.attempt(*command, given=given, user=user)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def attempt(
        self, *command: str, given: bytes | None = None, user: str = "root"
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside, which may fail."""
        whose = [] if user == "root" else ["setpriv", f"--reuid={user}", f"--regid={user}"]
        whose += ["--init-groups"] if whose else []
        enter = ["nsenter", "-t", str(self._leader), *_NAMESPACES, "--", "env", "-i", _PATH]
        done = subprocess.run(
            [*enter, *whose, *command],
            input=given or b"",
            capture_output=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
        return subprocess.CompletedProcess(
            command, done.returncode, done.stdout.decode(), done.stderr.decode()
        )

    def put(self, tree: Path, where: str) -> None:
        """Copy what is in a folder of this machine into a folder inside; it becomes root's."""
        pack = ["tar", "--create", "--owner=root", "--group=root", "-C", str(tree), "."]
        packed = subprocess.run(pack, capture_output=True, check=True).stdout
        self.run("tar", "--extract", "-C", where, given=packed)

    def write(self, path: str, text: str) -> None:
        """Write a file of root's that everybody may read."""
        self.run("sh", "-c", 'mkdir -p "${1%/*}" && cat >"$1"', "sh", path, given=text.encode())

    def connect(self, port: int) -> socket.socket:
        """Connect to a port of the container's loopback device, which nobody else reaches."""
        made: list[socket.socket] = []
        faults: list[OSError] = []

        def make() -> None:
            try:
                # The namespace is that of the thread, and the socket is of the namespace for good.
                with Path(f"/proc/{self._leader}/ns/net").open() as namespace:
                    _enter_network(namespace.fileno())
                made.append(socket.socket())
            except OSError as fault:
                faults.append(fault)

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        if faults:
            raise faults[0]
        made[0].settimeout(COMMAND_SECONDS)
        made[0].connect(("127.0.0.1", port))
        return made[0]


@contextmanager
def booted(directory: Path) -> Iterator[Container]:
    """Boot a system, with what is changed under an empty directory; power it off in the end."""
    name = f"tmsd-{secrets.token_hex(4)}"
    machine_id = secrets.token_hex(16)
    log = directory / "console.log"
    root = directory / "container"
    root.mkdir()
    # The signal is for a parent that ends without a word.
    dying = ["setpriv", "--pdeathsig", "KILL"]
    private = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork"]
    private += ["--kill-child=KILL", "--mount-proc"]
    with log.open("wb") as console:
        process = subprocess.Popen(
            [*dying, *private, "sh", "-c", _BOOT, "sh", str(root), name, machine_id],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
        )
    try:
        wait_until(lambda: _leader(process) is not None, BOOT_SECONDS)
        leader = _leader(process)
        assert leader is not None, log.read_text()
        container = Container(leader)
        wait_until(lambda: _is_up(container), BOOT_SECONDS)
        yield container
        os.kill(leader, _POWER_OFF)
        process.wait(STOP_SECONDS)
    finally:
        process.kill()
        process.wait()
        _remove_control_groups(name)


def _enter_network(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns(2)")


def _leader(process: subprocess.Popen[bytes]) -> int | None:
    """Return the container's first process, once there is one."""
    assert process.poll() is None, "the container did not start"
    for descendant in _descendants(process.pid):
        with suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{descendant}/comm").read_text() == "systemd\n":
                return descendant
    return None


def _descendants(pid: int) -> Iterator[int]:
    with suppress(FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield int(child)
            yield from _descendants(int(child))


def _is_up(container: Container) -> bool:
    state = container.attempt("systemctl", "is-system-running").stdout.strip()
    return state in {"running", "degraded"}


def _remove_control_groups(name: str) -> None:
    for hierarchy in ("systemd", "unified", "."):
        top = Path("/sys/fs/cgroup", hierarchy, name)
        folders = sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True)
        for folder in [*folders, top] if top.exists() else []:
            folder.rmdir()
