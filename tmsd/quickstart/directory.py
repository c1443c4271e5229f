"""A directory that is filled completely, or is afterwards as it was before.

Whatever ends the filling takes back what it made: an error, a full disk, Ctrl-C, a
signal to end. Signals are held while it goes on and looked for at each step, so that none
comes between making something and knowing that it was made.
"""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tmsd.ceremony.refusal import Refused

FOLDER_MODE = 0o700
PUBLIC = 0o644
PRIVATE = 0o400

_ENDING = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM}


class NewDirectory:
    """A directory whose files and folders are made by this object, each for the first time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._made: list[Path] = []

    def folder(self, name: str) -> Path:
        """Make a folder that its owner alone may enter.

        Raises:
            OSError: it is there already, or the file system refuses.
            KeyboardInterrupt: somebody wants the filling to end.
        """
        _stop_if_asked()
        path = self.path / name
        path.mkdir()
        self._made.append(path)
        path.chmod(FOLDER_MODE)  # whatever the umask took away
        return path

    def file(self, name: str, content: bytes | bytearray, mode: int = PUBLIC) -> Path:
        """Make a file; it has its mode before it has its content.

        Raises:
            OSError: it is there already, or the file system refuses.
            KeyboardInterrupt: somebody wants the filling to end.
        """
        _stop_if_asked()
        path = self.path / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0)
        self._made.append(path)
        try:
            with os.fdopen(descriptor, "wb") as opened:
                os.fchmod(descriptor, mode)
                opened.write(content)
        except OSError as error:
            error.filename = str(path)  # a full disk does not say which file it was
            raise
        return path

    def expect(self, path: Path) -> None:
        """Remember a file that others will make, so that it is removed with the rest."""
        self._made.append(path)

    def remove(self) -> None:
        """Remove what was made, with everything that others put into its folders."""
        while self._made:
            path = self._made.pop()
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


@contextmanager
def filled(path: Path) -> Iterator[NewDirectory]:
    """Fill a directory that is empty or not there yet.

    Raises:
        Refused: it is there and not empty, or is no directory.
        OSError: it cannot be made.
        KeyboardInterrupt: a signal came; the filling was taken back.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        is_new = _claim(path)
        directory = NewDirectory(path)
        try:
            yield directory
            _stop_if_asked()
        except BaseException:
            directory.remove()
            if is_new:
                with suppress(OSError):  # somebody else's file in it is left, and so is it
                    path.rmdir()
            raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _claim(path: Path) -> bool:
    """Make the directory, or make sure that it is empty; say whether it is new."""
    try:
        path.mkdir()
    except FileExistsError:
        if not path.is_dir():
            raise Refused(f"{path} is there and is no directory: choose another") from None
        if any(path.iterdir()):
            raise Refused(
                f"{path} is not empty, and nothing in it is touched: choose a directory that "
                "is empty or not there yet"
            ) from None
        return False
    path.chmod(FOLDER_MODE)
    return True


def _stop_if_asked() -> None:
    if signal.sigpending() & _ENDING:
        raise KeyboardInterrupt
