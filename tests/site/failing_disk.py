"""A disk that fails on demand, for the kernel too: ext4 on a loop device that is made shorter."""

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LENGTH = 8 << 20
_BLOCK = 4096
_FIBMAP = 1  # linux/fs.h: the block of the device that holds a block of a file


def obstacle() -> str | None:
    """Return why there can be no such disk here; None where there can."""
    if os.geteuid() != 0:
        return "only root can mount a disk"
    if not Path("/dev/loop-control").exists():
        return "there are no loop devices here"
    missing = [tool for tool in ("mkfs.ext4", "losetup", "mount") if shutil.which(tool) is None]
    return f"not installed: {', '.join(missing)}" if missing else None


class FailingDisk:
    """A mounted file system whose device can lose its end, and get it back.

    Without a journal: one that fails makes ext4 refuse everything from then on.

    Attributes:
        path: where it is mounted.
    """

    def __init__(self, directory: Path) -> None:
        self.path = directory / "disk"
        self._image = directory / "disk.img"
        self.path.mkdir()
        with self._image.open("wb") as image:
            image.truncate(_LENGTH)
        _run("mkfs.ext4", "-q", "-b", str(_BLOCK), "-O", "^has_journal", str(self._image))
        self._mount()

    def close(self) -> None:
        """Give mount and loop device back, also while somebody uses them still."""
        _run("umount", "--lazy", str(self.path))

    @contextmanager
    def failing(self, file: Path) -> Iterator[None]:
        """Fail to write a file, and all that is behind it on the device, with EIO."""
        start = _first_block(file) * _BLOCK
        with self._image.open("r+b") as image:
            image.seek(start)
            end = image.read()
            image.truncate(start)
            self._take_length()
            try:
                yield
            finally:
                image.seek(start)
                image.write(end)
                image.flush()
                self._take_length()

    @contextmanager
    def full(self) -> Iterator[None]:
        """Leave no room on it, also for root."""
        filler = self.path / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(_BLOCK))
        try:
            yield
        finally:
            filler.unlink()

    def remount(self) -> None:
        """Make the kernel forget the files: what is read from now on is what the disk has."""
        _run("umount", str(self.path))
        self._mount()

    def _mount(self) -> None:
        _run("mount", "-o", "loop,noatime", str(self._image), str(self.path))

    def _take_length(self) -> None:
        device = _run("losetup", "--noheadings", "--output=NAME", f"--associated={self._image}")
        _run("losetup", "--set-capacity", device.strip())


def _first_block(file: Path) -> int:
    with file.open("rb") as opened:
        (block,) = struct.unpack("i", fcntl.ioctl(opened, _FIBMAP, struct.pack("i", 0)))
    assert block > 0, f"{file} has no block on the disk yet"
    return int(block)


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
