"""How many connections the process has descriptors for (RLIMIT_NOFILE, setrlimit(2))."""

import logging
import resource

LOG = logging.getLogger(__name__)

# Of the audit log, the database, listening sockets, and workers with their pipes and sockets.
_OF_OTHERS = 256


def most_connections(wanted: int) -> int:
    """Return how many of the connections that are wanted there may be at once.

    The soft limit is raised as far as that takes and the hard limit allows.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = wanted + _OF_OTHERS
    allowed = enough if hard == resource.RLIM_INFINITY else min(enough, hard)
    if soft not in (resource.RLIM_INFINITY, hard) and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed == enough:
        return wanted
    most = max(1, allowed - _OF_OTHERS)
    LOG.warning(
        "limits.connections = %d would take %d descriptors, and the process may have %d "
        "(LimitNOFILE= of its unit, ulimit -Hn): there are %d connections at once",
        wanted,
        enough,
        hard,
        most,
    )
    return most
