"""Clean roots of Debian, and commands in them."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.clean_roots import machine
from tests.clean_roots.machine import Sources

USER = "alex"
# What the README asks for, and what the machine that runs nothing else has for the user: sudo.
_INCLUDED = "ca-certificates,git,make,sudo"

# The root becomes that of a namespace: in a mere chroot nobody may make a user namespace, which
# tests do. It sees the machine's network, and its devices and control groups. /run/systemd is on
# each machine that systemd has started, and systemd-analyze wants it.
_ENTER = """
set -eu
mount --make-rprivate /
mount --bind "$1" "$1"
cd "$1"
shift
while [ "$1" != -- ]; do
    mkdir -p ".$1"
    mount --bind "$1" ".$1"
    mount -o remount,bind,ro ".$1"
    shift
done
shift
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs -o mode=755 tmpfs run
mkdir run/systemd
mkdir -p .machine
pivot_root . .machine
cd /
umount -l .machine
rmdir .machine
exec "$@"
"""


def base(release: str, sources: Sources, folder: Path) -> Path:
    """Return a clean root of a release of Debian; made by debootstrap if it is not there.

    Raises:
        CalledProcessError: debootstrap fails; its log is in the folder.
    """
    made = folder / release
    if not made.exists():
        making = folder / f"{release}.part"
        shutil.rmtree(making, ignore_errors=True)
        command = ["debootstrap", "--variant=minbase", f"--include={_INCLUDED}"]
        with (folder / f"{release}.log").open("wb") as log:
            subprocess.run(
                [*command, release, making, sources.mirror], check=True, stdout=log, stderr=log
            )
        making.rename(made)
    return made


def copy(root: Path, place: Path, checkout: Path, sources: Sources) -> None:
    """Make a root for one case: with a user, a clone of what is committed, and the sources.

    Raises:
        CalledProcessError: something cannot be made.
    """
    subprocess.run(["cp", "-a", "--reflink=auto", root, place], check=True)
    subprocess.run(["chroot", place, "useradd", "--create-home", USER], check=True)
    (place / "etc/sudoers.d/all").write_text("%sudo ALL=(ALL) NOPASSWD: ALL\n")
    (place / "etc/pip.conf").write_text(sources.pip)
    (place / "etc/ssl/certs/ca-certificates.crt").write_bytes(machine.certificates())
    shutil.copy("/etc/resolv.conf", place / "etc/resolv.conf")
    shutil.copy("/etc/hosts", place / "etc/hosts")
    clone = place / "home" / USER / "tmsd"
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", checkout, clone], check=True)
    subprocess.run(["chroot", place, "chown", "-R", f"{USER}:", f"/home/{USER}/tmsd"], check=True)


def may_become_root(place: Path) -> None:
    """Let the user become root by sudo, without a password."""
    subprocess.run(["chroot", place, "usermod", "--append", "--groups", "sudo", USER], check=True)


def give_to_root(place: Path) -> None:
    """Have root own the clone, as who runs the commands in it."""
    subprocess.run(["chroot", place, "chown", "-R", "root:", f"/home/{USER}/tmsd"], check=True)


def run(place: Path, sources: Sources, command: Sequence[str], log: Path, *, as_user: bool) -> int:
    """Run a command in the clone, and return its exit status; what it says is added to a log.

    Nothing of it goes on afterwards.
    """
    home = f"/home/{USER}" if as_user else "/root"
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    settings = {**sources.environment, "HOME": home, "PATH": path, "LANG": "C.UTF-8"}
    person = ["runuser", "-u", USER, "--"] if as_user else []
    with log.open("ab") as told:
        return subprocess.run(
            [
                *("unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"),
                *(
                    "/bin/sh",
                    "-c",
                    _ENTER,
                    "enter",
                    str(place),
                    *map(str, sources.folders),
                    "--",
                    *person,
                ),
                *("/bin/sh", "-c", f'cd /home/{USER}/tmsd && exec "$@"', "run", *command),
            ],
            check=False,
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
        ).returncode


def remove(place: Path) -> None:
    """Remove a root. Nothing is mounted in it once its commands have ended."""
    if os.path.ismount(place):
        raise OSError(f"{place} is mounted")
    shutil.rmtree(place, ignore_errors=True)
