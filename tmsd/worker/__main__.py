"""`python -m tmsd.worker`: how the daemon starts a worker.

The socket to the front is inherited as an open descriptor; nothing secret is on the
command line or in the environment.
"""

import argparse
import resource
import signal
import socket
import sys
from pathlib import Path

from tmsd.systemd.journal import log_to_journal_or_stderr
from tmsd.worker.start import run


def main() -> int:
    """Read the command line, harden the process, and work until the front goes away."""
    parser = argparse.ArgumentParser(prog="tmsd.worker", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="tmsd.toml")
    parser.add_argument("--descriptor", type=int, required=True, help="the socket to the front")
    arguments = parser.parse_args()
    log_to_journal_or_stderr("tmsd-worker")
    # A core dump would hold the PIN, and with SoftHSM the keys.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # The front ends a worker by closing its socket; Ctrl-C reaches the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=arguments.descriptor) as connection:
        return run(arguments.config, connection)


if __name__ == "__main__":
    sys.exit(main())
