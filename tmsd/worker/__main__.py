"""`python -m tmsd.worker`: how the daemon, or a unit of systemd, starts a worker.

The daemon passes the socket to itself as an open descriptor. A unit passes a listening socket,
and the front connects to it; the worker ends when that connection does, and the next one starts
another. Nothing secret is on the command line or in the environment.
"""

import argparse
import logging
import signal
import socket
import sys
from functools import partial
from pathlib import Path

from tmsd.private_memory import keep_memory_private
from tmsd.systemd.activation import UnusableSocket, inherited_listeners
from tmsd.systemd.journal import log_to_journal_or_stderr
from tmsd.systemd.library import SystemdLibraryMissing
from tmsd.vault.messages import Reply
from tmsd.vault.nonce_messages import NonceReply
from tmsd.worker.for_callers import begin_for_callers
from tmsd.worker.for_nonces import begin_for_nonces
from tmsd.worker.fronts import NoListener, accept_front, the_one
from tmsd.worker.start import run

LOG = logging.getLogger("tmsd.worker")


def main() -> int:
    """Read the command line, harden the process, and work until the front goes away."""
    parser = argparse.ArgumentParser(prog="tmsd.worker", description=__doc__)
    parser.add_argument("--config", type=Path, required=True, help="tmsd.toml")
    parser.add_argument("--descriptor", type=int, help="the socket to the front")
    whom = parser.add_mutually_exclusive_group()
    whom.add_argument("--for-appliance", action="store_true", help="serve tmsctl, and no callers")
    whom.add_argument("--for-nonces", action="store_true", help="serve tmsd ocsp, and nobody else")
    arguments = parser.parse_args()
    log_to_journal_or_stderr("tmsd-worker")
    if arguments.for_appliance:
        # Somebody sits before it, and is told what goes wrong.
        logging.getLogger().setLevel(logging.WARNING)
    # It holds the PIN, and with SoftHSM the keys.
    keep_memory_private()
    # What a hang is ended by (hsm/hang.py); whoever started this may have left it ignored.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    # The front ends a worker by closing its socket; Ctrl-C reaches the whole group.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        connection = _front(arguments.descriptor)
    except (NoListener, SystemdLibraryMissing, UnusableSocket) as error:
        LOG.error("%s", error)
        return 1
    if connection is None:
        LOG.error("somebody else than the front connected, and was sent away")
        return 0
    with connection:
        if arguments.for_nonces:
            return run(partial(begin_for_nonces, arguments.config), NonceReply, connection)
        begin = partial(begin_for_callers, arguments.config, for_appliance=arguments.for_appliance)
        return run(begin, Reply, connection)


def _front(descriptor: int | None) -> socket.socket | None:
    """Return the connection to the front; None where somebody else came."""
    if descriptor is not None:
        return socket.socket(fileno=descriptor)
    return accept_front(the_one(inherited_listeners("Unix")))


if __name__ == "__main__":
    sys.exit(main())
