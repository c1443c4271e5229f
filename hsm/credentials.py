"""The PIN, from a file that only its reader can read; never from argv or environment."""

import os
import stat
from pathlib import Path

from hsm.errors import CredentialUnavailable
from hsm.secret import Secret

MAX_PIN = 255


def read_pin(file: Path) -> Secret:
    """Read a PIN of 1 to 255 bytes of UTF-8 from a regular file of mode 0400 that we own.

    One trailing line end is removed. systemd hands credentials over in files of the same
    mode, owned by the unit's user or by root.

    Raises:
        CredentialUnavailable: the file is missing, unreadable, empty, too long, not
            UTF-8, or readable by others.
    """
    try:
        # A pipe would keep the opener waiting for its writer.
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise CredentialUnavailable(f"PIN file {file}: {error.strerror}") from error
    try:
        _require_private(file, os.fstat(descriptor))
        value = bytearray(os.read(descriptor, MAX_PIN + 2))
    finally:
        os.close(descriptor)
    if value.endswith(b"\n"):
        del value[-1:]
    if not 1 <= len(value) <= MAX_PIN:
        value[:] = bytes(len(value))
        raise CredentialUnavailable(f"PIN file {file}: a PIN has 1 to {MAX_PIN} bytes")
    if not _is_utf8(value):
        value[:] = bytes(len(value))
        raise CredentialUnavailable(f"PIN file {file}: a PIN is text in UTF-8")
    return Secret(value)


def pin_from(file: Path | None, credential: str | None) -> Secret:
    """Read the PIN from a file, or from the systemd credential of this name.

    Raises:
        CredentialUnavailable: it cannot be read, or others can read it too.
    """
    if file is not None:
        return read_pin(file)
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    if credential is None or directory is None:
        raise CredentialUnavailable(
            f"systemd credential {credential!r}: $CREDENTIALS_DIRECTORY is not set; start the"
            " unit with LoadCredential= or LoadCredentialEncrypted="
        )
    return read_pin(Path(directory) / credential)


def _is_utf8(value: bytearray) -> bool:
    """Say whether a PIN decodes; the decoder's own error would carry the PIN with it."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _require_private(file: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise CredentialUnavailable(f"PIN file {file}: it is not a regular file")
    mode = stat.S_IMODE(status.st_mode)
    if mode not in (0o400, 0o440) or (mode == 0o440 and not _from_systemd(file)):
        raise CredentialUnavailable(
            f"PIN file {file}: its mode is {mode:04o} and must be 0400 (chmod 0400 {file})"
        )
    if status.st_uid not in (os.geteuid(), 0):
        raise CredentialUnavailable(f"PIN file {file}: it belongs to user id {status.st_uid}")


def _from_systemd(file: Path) -> bool:
    """Say whether the file is one of systemd's credentials, which may be 0440 by ACL."""
    directory = os.environ.get("CREDENTIALS_DIRECTORY")
    return directory is not None and file.parent == Path(directory)
