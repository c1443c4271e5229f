"""[operations] of tmsd.toml: the Unix socket where operators ask how the daemon is."""

from tmsd.config.table import Table
from tmsd.config.values import SocketPlace


class OperationsConfig(Table):
    """The operations socket; without one, nobody is told."""

    socket: SocketPlace | None = None
