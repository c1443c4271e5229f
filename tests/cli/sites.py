"""Running `tmsctl` as it is installed, and sites that it made."""

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Self

TMSCTL = str(Path(sys.executable).with_name("tmsctl"))
PATIENCE = 30  # seconds


def tmsctl(
    *arguments: str | Path, stdin: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `tmsctl` to its end."""
    return subprocess.run(
        [TMSCTL, *arguments],
        input=stdin,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def make_site(directory: Path) -> Path:
    """Make a site by `tmsctl quickstart`."""
    made = tmsctl("quickstart", directory)
    assert (made.returncode, made.stderr) == (0, "")
    return directory


def copy_site(made: Path, directory: Path) -> Path:
    """Copy a site; two of its files name the directory that it is in."""
    shutil.copytree(made, directory)
    for name in ("tmsd.toml", "softhsm2.conf"):
        file = directory / name
        file.write_text(file.read_text().replace(str(made), str(directory)))
    return directory


def allow(site: Path, *tables: str) -> None:
    """Add tables to a site's policy."""
    with (site / "policy.toml").open("a") as policy:
        policy.write("".join(tables))


def deny(site: Path, *mechanisms: str) -> None:
    """Take mechanisms from the site's SoftHSM, which overlooks the first of its list."""
    with (site / "softhsm2.conf").open("a") as configuration:
        configuration.write(f"slots.mechanisms = -{','.join(('CKM_MD5', *mechanisms))}\n")


def tree(directory: Path) -> Mapping[str, tuple[int, bytes | None]]:
    """Return every path below a directory with its mode and, for files, its content."""
    return {
        str(path.relative_to(directory)): (
            path.lstat().st_mode & 0o7777,
            path.read_bytes() if path.is_file() else None,
        )
        for path in sorted(directory.rglob("*"))
    }


class Terminal:
    """A `tmsctl` that runs on a terminal of its own, and what it has shown there."""

    def __init__(self, *arguments: str | Path) -> None:
        self._mine, theirs = os.openpty()
        # setsid makes the terminal the controlling one, where prompts without echo go.
        self._process = subprocess.Popen(
            ["setsid", "--ctty", TMSCTL, *arguments], stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self.shown = ""
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._mine)

    def expect(self, text: str) -> None:
        """Wait until `text` is shown, after what was expected before."""
        while (found := self.shown.find(text, self._seen)) < 0:
            assert self._read(), f"{text!r} is not in {self.shown!r}"
        self._seen = found + len(text)

    def type(self, line: str) -> None:
        """Type a line; the prompt that is waited for first comes after echo is off."""
        os.write(self._mine, f"{line}\n".encode())

    def press(self, key: str) -> None:
        """Press a key alone, as Ctrl-C; a line after it could be read first."""
        os.write(self._mine, key.encode())

    def end(self) -> int:
        """Wait for the end and return the exit code."""
        while self._read():
            pass
        return self._process.wait(PATIENCE)

    def _read(self) -> bool:
        """Read what is shown next; False at the end."""
        ready, _, _ = select.select([self._mine], [], [], PATIENCE)
        assert ready, f"nothing after {self.shown!r}"
        try:
            self.shown += os.read(self._mine, 4096).decode()
        except OSError:  # EIO: nobody has the other side open any more
            return False
        return True
