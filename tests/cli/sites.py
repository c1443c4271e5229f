"""Running `tmsctl`, and sites that it made."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests import loaded_tmsctl
from tests.terminal import PATIENCE


def tmsctl(
    *arguments: str | Path, stdin: str = "", cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `tmsctl` to its end."""
    return loaded_tmsctl.run(*arguments, stdin=stdin, cwd=cwd, seconds=PATIENCE)


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
