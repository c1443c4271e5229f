"""Files that come of steps: written whole, and never in the place of another."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from tmsd.ceremony.refusal import Refused
from tmsd.config.values import Name

PUBLIC = 0o644
PRIVATE = 0o600


def _pem(name: str) -> str:
    if not name.endswith(".pem"):
        raise ValueError(f"must end with .pem, not as {name!r} does")
    return name


PemName = Annotated[Name, AfterValidator(_pem)]
"""The name of a file in PEM, in the folder of the minutes."""


def require_no_file(path: Path) -> None:
    """Make sure that a file can be written, before anything is made for it.

    Raises:
        Refused: it is there already.
    """
    if path.exists():
        raise Refused(f"{path} is there already, and is not replaced")


def write_new(path: Path, content: bytes | bytearray, mode: int = PUBLIC) -> None:
    """Write a file, which everybody may read unless it is said otherwise; it is on the disk, whole.

    Raises:
        Refused: it is there already.
        OSError: it cannot be written.
    """
    # Without a name, so that an interruption leaves nothing of it (O_TMPFILE, open(2)).
    descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as made:
        made.write(content)
        made.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
        try:
            os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor)
        except FileExistsError:
            require_no_file(path)
    _flush(path.parent)


def write_unreleased(path: Path, content: bytes) -> None:
    """Write a file that gets its name by `release`; what an interruption left there is replaced.

    Raises:
        OSError: it cannot be written.
    """
    waiting = _waiting(path)
    waiting.unlink(missing_ok=True)
    write_new(waiting, content)


def release(path: Path) -> None:
    """Give a file its name, once what it belongs to is done.

    Raises:
        FileNotFoundError: there is none that waits for it.
    """
    _waiting(path).rename(path)
    _flush(path.parent)


def _waiting(path: Path) -> Path:
    return path.with_name(f".{path.name}.unreleased")


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
