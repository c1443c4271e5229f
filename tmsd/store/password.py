"""The password of a database, from a file that only its reader can read."""

import os
import stat
from pathlib import Path

LONGEST = 1024


class PasswordUnavailable(OSError):
    """The file cannot be used; says why, and nothing of what is in it."""


def read_password(file: Path) -> str:
    """Read a password of 1 to 1024 bytes of UTF-8; one line end at its end is removed.

    Others must have no right to the file. systemd's credentials of a service that is not root's
    are for that user, who shows as their group (systemd.exec(5)).

    Raises:
        PasswordUnavailable: it is missing, open to others, or no password.
    """
    try:
        # A pipe would keep the opener waiting for its writer.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise PasswordUnavailable(f"password file {file}: {error.strerror}") from error
    try:
        _require_private(file, os.fstat(descriptor).st_mode)
        content = os.read(descriptor, LONGEST + 2).removesuffix(b"\n")
    finally:
        os.close(descriptor)
    if not 1 <= len(content) <= LONGEST or b"\0" in content or not _is_utf8(content):
        raise PasswordUnavailable(
            f"password file {file}: must hold 1 to {LONGEST} bytes of text, and nothing else"
        )
    return content.decode()


def _require_private(file: Path, mode: int) -> None:
    is_credential = file.parent == Path(os.environ.get("CREDENTIALS_DIRECTORY", "/nowhere"))
    others = stat.S_IRWXO | stat.S_IWGRP | stat.S_IXGRP | (0 if is_credential else stat.S_IRGRP)
    if not stat.S_ISREG(mode) or mode & others:
        raise PasswordUnavailable(
            f"password file {file}: must be a file that none but its owner may use: chmod 0400"
        )


def _is_utf8(content: bytes) -> bool:
    """Say whether a password decodes; the decoder's own error would carry it along."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
