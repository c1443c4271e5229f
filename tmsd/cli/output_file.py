"""Files that commands write: whole, or as they were before.

As the tools of this field do (`openssl -out`), a file that is there is replaced; a certificate
that was in it can be written again by `tmsctl ca show`.
"""

import os
import stat
from pathlib import Path
from tempfile import NamedTemporaryFile

import click

_PUBLIC = 0o644

out_option = click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="What is written; a file that is there is replaced.",
)


def require_place(path: Path) -> None:
    """Refuse a place where no file could be written, before anything is made for it.

    Raises:
        OSError: its folder is not there or cannot be written to.
    """
    if _is_kept(path):
        return
    with NamedTemporaryFile(dir=_folder(path), prefix=f".{path.name}."):
        pass


def write_public(path: Path, content: bytes) -> None:
    """Write a file that everybody may read; it is on the disk afterwards, whole.

    Pipes and devices are written to as they are.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    if _is_kept(path):
        path.write_bytes(content)
        return
    target = path.resolve()
    with NamedTemporaryFile(dir=_folder(path), prefix=f".{path.name}.", delete=False) as made:
        try:
            made.write(content)
            made.flush()
            os.fchmod(made.fileno(), _PUBLIC)
            os.fsync(made.fileno())
            Path(made.name).replace(target)
        except BaseException:
            Path(made.name).unlink()
            raise
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _is_kept(path: Path) -> bool:
    return path.exists() and not stat.S_ISREG(path.stat().st_mode)


def _folder(path: Path) -> Path:
    return path.resolve().parent
