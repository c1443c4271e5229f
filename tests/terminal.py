"""`tmsctl` on a terminal of its own, and what it shows there."""

import os
import re
import select
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests import loaded_tmsctl

TMSCTL = str(Path(sys.executable).with_name("tmsctl"))
PATIENCE = 30  # seconds
CLEARED = "\x1b[2J\x1b[1;1H"
"""What clears the screen."""

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def plain(shown: str) -> str:
    """Return what stands on a screen: no colours, and nothing that clears it."""
    return _CONTROL.sub("", shown).replace("\r", "")


class Terminal:
    """A `tmsctl` that runs on a terminal of its own.

    Args:
        arguments: its command line.
        cwd: where it runs; here, if nowhere else.
        size: the terminal's rows and columns.

    Attributes:
        shown: all that it has shown.
    """

    def __init__(
        self, *arguments: str | Path, cwd: Path | None = None, size: tuple[int, int] = (24, 80)
    ) -> None:
        self._mine, theirs = os.openpty()
        termios.tcsetwinsize(theirs, size)
        # The terminal is the controlling one, where prompts without echo go.
        self._running = loaded_tmsctl.start(
            *arguments, streams=(theirs, theirs, theirs), cwd=cwd, on_terminal=True
        )
        os.close(theirs)
        self.shown = ""
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._running.close()
        os.close(self._mine)

    def expect(self, text: str) -> None:
        """Wait until `text` is shown, after what was expected before."""
        while (found := self.shown.find(text, self._seen)) < 0:
            assert self._read(), f"{text!r} is not in {self.shown!r}"
        self._seen = found + len(text)

    def read_until(self, reached: Callable[[str], bool]) -> str:
        """Return what is shown after what was read before, once it is enough, or at the end."""
        while not reached(self.shown[self._seen :]) and self._read():
            pass
        read, self._seen = self.shown[self._seen :], len(self.shown)
        return read

    def type(self, line: str) -> None:
        """Type a line; the prompt that is waited for first comes after echo is off.

        Bytes that are no text are as surrogates in it.
        """
        os.write(self._mine, f"{line}\n".encode(errors="surrogateescape"))

    def press(self, key: str) -> None:
        """Press a key alone, as Ctrl-C; a line after it could be read first."""
        os.write(self._mine, key.encode())

    def end(self) -> int:
        """Wait for the end and return the exit code."""
        while self._read():
            pass
        return self._running.wait(PATIENCE)

    def _read(self) -> bool:
        """Read what is shown next; False at the end."""
        ready, _, _ = select.select([self._mine], [], [], PATIENCE)
        assert ready, f"nothing after {self.shown!r}"
        try:
            self.shown += os.read(self._mine, 4096).decode()
        except OSError:  # EIO: nobody has the other side open any more
            return False
        return True
