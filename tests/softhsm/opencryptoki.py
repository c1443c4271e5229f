"""openCryptoki's software token, a poor one: no derivation, and no AES key wrap.

Its daemon, its tokens and their locks are at fixed places that all users of a machine share. So
the process that uses it goes for as long into namespaces of its own, where those are empty
folders, and where no other process sees them. That takes root.
"""

import ctypes
import grp
import os
import pwd
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from hsm.initialisation import initialise_token
from hsm.module import TokenAddress, load_module
from hsm.secret import Secret
from tests.site.daemon import wait_until
from tests.softhsm.tokens import USER_PIN

LABEL = "openCryptoki"

_CONFIGURATION = "version opencryptoki-3.1\nslot 0\n{\nstdll = libpkcs11_sw.so\n}\n"
_FIRST_SO_PIN = b"87654321"
_TOKENS = Path("/var/lib/opencryptoki")
_LOCKS = Path("/run/lock/opencryptoki")
_DAEMON = Path("/run/opencryptoki")
_CLONE_NEWNS, _CLONE_NEWIPC = 0x00020000, 0x08000000  # unshare(2)


class Unavailable(Exception):
    """openCryptoki cannot be used here; the message says why."""


@contextmanager
def token_of_its_own(directory: Path) -> Iterator[TokenAddress]:
    """Make a token with `USER_PIN`, which is there as long as the block is not left.

    Args:
        directory: an empty one.

    Raises:
        Unavailable: it is not installed, or this user may not mount.
    """
    module = _module()
    with _namespaces_of_its_own():
        _empty_places(directory)
        with _daemon(directory):
            blank = TokenAddress(module, LABEL)
            initialise_token(blank, Secret(_FIRST_SO_PIN), Secret(USER_PIN))
            try:
                yield blank
            finally:
                load_module(module, {}).finalize()


def _module() -> Path:
    for found in Path("/usr/lib").glob("*/pkcs11/libopencryptoki.so"):
        return found
    raise Unavailable("openCryptoki is not installed; on Debian it is the package opencryptoki")


@contextmanager
def _namespaces_of_its_own() -> Iterator[None]:
    """Have mounts and shared memory of one's own, with no other thread that shares this one's."""
    libc = ctypes.CDLL(None, use_errno=True)
    working = Path.cwd()
    with ExitStack() as stack:
        mounts, memory = (
            stack.enter_context(Path("/proc/thread-self/ns", kind).open("rb"))
            for kind in ("mnt", "ipc")
        )
        root = os.open("/", os.O_PATH)
        stack.callback(os.close, root)
        # Who may not come back, as root of a user namespace may not, had better not go.
        if libc.setns(memory.fileno(), 0) or libc.unshare(_CLONE_NEWNS | _CLONE_NEWIPC):
            reason = os.strerror(ctypes.get_errno())
            raise Unavailable(f"openCryptoki takes root, to mount over its places: {reason}")
        try:
            _require_seclusion()
            yield
        finally:
            for namespace in (memory, mounts):
                if libc.setns(namespace.fileno(), 0):
                    raise OSError(ctypes.get_errno(), "setns")
            # Who enters a namespace stands at its root, also where a chroot(2) had another.
            os.fchdir(root)
            os.chroot(".")
            os.chdir(working)


def _require_seclusion() -> None:
    """Have no mount that follows be seen elsewhere."""
    try:
        _mount("--make-rslave", "/")
    except subprocess.CalledProcessError as error:
        raise Unavailable("openCryptoki's places are not mounted over: / is no mount") from error


def _empty_places(directory: Path) -> None:
    """Mount over all places where openCryptoki keeps anything."""
    configuration = directory / "opencryptoki.conf"
    configuration.write_text(_CONFIGURATION)
    _mount("--bind", configuration, "/etc/opencryptoki/opencryptoki.conf")
    for place in ("/run", "/dev/shm", _TOKENS):  # noqa: S108  the place of shared memory
        _mount("-t", "tmpfs", "tmpfs", place)
    owner, group = _owner_of_daemon(), grp.getgrnam("pkcs11").gr_gid
    for folder in (
        *(_DAEMON, _LOCKS, _LOCKS / "swtok"),
        *(_TOKENS / "swtok", _TOKENS / "swtok/TOK_OBJ", _TOKENS / "HSM_MK_CHANGE"),
    ):
        folder.mkdir(parents=True)
        folder.chmod(0o770)
        os.chown(folder, owner, group)


def _owner_of_daemon() -> int:
    """Return the user that the daemon is; 3.8 has none of its own, and is root."""
    try:
        return pwd.getpwnam("pkcsslotd").pw_uid
    except KeyError:
        return 0


@contextmanager
def _daemon(directory: Path) -> Iterator[None]:
    with (directory / "pkcsslotd.log").open("w") as log:
        daemon = subprocess.Popen(
            # Of itself, 3.23 would change to its user by way of a child that nobody waits for.
            [
                *("setpriv", "--reuid", str(_owner_of_daemon()), "--regid", "pkcs11"),
                *("--clear-groups", "--pdeathsig", "KILL", "pkcsslotd", "-f"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: any(Path("/run").rglob("pkcsslotd.socket")))
        yield
    finally:
        # It would wait for its clients at SIGTERM.
        daemon.kill()
        daemon.wait()


def _mount(*arguments: object) -> None:
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)
