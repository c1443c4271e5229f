"""[operations] of tmsd.toml: the Unix socket where operators ask how the daemon is."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from tmsd.config.table import Table
from tmsd.config.values import Place

# A socket's path and its final zero byte have 108 bytes on Linux (unix(7)), fewer elsewhere.
LONGEST_SOCKET_PATH = 100


def _check_length(path: Path) -> Path:
    if (length := len(bytes(path))) > LONGEST_SOCKET_PATH:
        raise ValueError(
            f"must be a path of at most {LONGEST_SOCKET_PATH} bytes, counted from the root, as "
            f"sockets have short ones; {path} has {length}"
        )
    return path


class OperationsConfig(Table):
    """The operations socket; without one, nobody is told."""

    socket: Annotated[Place, AfterValidator(_check_length)] | None = None
