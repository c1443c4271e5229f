"""Starting a worker: a login, what it is worked with, and word to the front that it is ready."""

import logging
import socket
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, Generic

from hsm.capabilities import probe
from hsm.credentials import pin_from
from hsm.errors import HsmError, ModuleStuck
from hsm.hang import limit_calls, process_ending_after
from hsm.login import Login
from hsm.module import TokenAddress
from hsm.pin_latch import PinLatch
from hsm.token import Token, close
from tmsd.config.hsm import HsmConfig
from tmsd.config.policy import Policy
from tmsd.config.toml import ConfigError
from tmsd.quorum.refusal import ApprovalRefused
from tmsd.vault.framing import encode
from tmsd.vault.message import LONGEST_TEXT, Framed
from tmsd.vault.worker_messages import Capabilities, Started, StartFailed
from tmsd.worker.generations import C, Generations
from tmsd.worker.keyring import Identities, KeyName
from tmsd.worker.service import Service
from tmsd.worker.serving import serve

LOG = logging.getLogger(__name__)

_WORKER_ID_LENGTH = 8
_LOGOUT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Opening(Generic[C]):
    """How a login becomes something to work with.

    Attributes:
        hsm: which token, and where its PIN is.
        seconds: how long it may take; after that, this process ends.
        call_seconds: how long one call into the module may take from the first login on.
        tested: finds the keys, among them those of earlier generations that must be there again
            but for those that need not, and makes sure of the token; HsmError or ApprovalRefused
            otherwise.
    """

    hsm: HsmConfig
    seconds: float
    call_seconds: float
    tested: Callable[[Token, Identities, Collection[KeyName]], C]

    def log_in(self, before: Identities, gone: Collection[KeyName], *, restart: bool) -> C:
        """Log in, and return what `tested` made of it.

        From the first login on this process also ends over a single call that hangs, be it one of
        another login: a process that begins anew has the patience that a slow login needs.

        Args:
            before: keys that were found in earlier generations and must be there again.
            gone: those of them that need not.
            restart: whether the module has to be finalized first.

        Raises:
            HsmError: the token is not there, or not as it was.
            ApprovalRefused: it knows of another policy, or holds what it should not.
        """
        with process_ending_after(self.seconds):
            token = _login(self.hsm).log_in(restart=restart)
            limit_calls(self.call_seconds)
            try:
                return self.tested(token, before, gone)
            except BaseException:
                # Whoever logs in next restarts the module; this login must not stand in its way.
                token.abandoned = True
                raise


@dataclass(frozen=True, slots=True)
class Begun(Generic[C]):
    """A worker that is logged in and tested."""

    announcement: Started
    generations: Generations[C]
    service: Service[C]

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Log out at the end."""
        try:
            yield
        finally:
            if self.generations.context is not None:
                try:
                    with process_ending_after(_LOGOUT_SECONDS):
                        close(self.generations.context.token)
                except HsmError as error:
                    LOG.warning("logging out failed: %s", error)


def begin(
    opening: Opening[C], policy: Policy, service_of: Callable[[bytes], Service[C]]
) -> Begun[C]:
    """Log in, and return the worker.

    Args:
        opening: how.
        policy: that it goes by.
        service_of: what it is there for, made of 8 random bytes that name this process.

    Raises:
        HsmError, ApprovalRefused: as the opening does.
    """
    context = opening.log_in({}, (), restart=False)
    worker = context.token.random(_WORKER_ID_LENGTH)
    announcement = Started(
        worker=worker,
        generation=1,
        token=opening.hsm.token_label,
        policy_digest=policy.digest,
        capabilities=Capabilities(**asdict(probe(context.token))),
    )
    generations = Generations(context, partial(opening.log_in, restart=True))
    return Begun(announcement, generations, service_of(worker))


def run(
    begin: Callable[[], Begun[Any]], reply: Callable[..., Framed], connection: socket.socket
) -> int:
    """Begin, announce it and what the token does, answer until the front goes away.

    Args:
        begin: logs in.
        reply: makes what is written to the socket, of a number and an answer.
        connection: the socket to the front.

    Returns:
        The exit status: 0 when the front closed the socket, 1 when the worker could not start
        or cannot go on.
    """
    try:
        begun = begin()
    except (HsmError, ConfigError, ApprovalRefused) as error:
        _send(connection, reply(0, StartFailed(reason=str(error)[:LONGEST_TEXT])))
        return 1
    with begun.ending():
        _send(connection, reply(0, begun.announcement))
        try:
            serve(connection, begun.generations, begun.service)
        except ModuleStuck as error:
            LOG.error("another worker has to go on: %s", error)
            return 1
    return 0


def _send(connection: socket.socket, announcement: Framed) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # the front went away meanwhile
        connection.sendall(encode(announcement))


def _login(hsm: HsmConfig) -> Login:
    return Login(
        address=TokenAddress(hsm.module, hsm.token_label, hsm.token_serial, hsm.environment),
        read_pin=partial(pin_from, hsm.pin_file, hsm.pin_credential),
        pin_file=hsm.pin_file,
        latch=PinLatch(hsm.latch_file),
    )
