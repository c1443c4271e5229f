"""Starting a worker: configuration, policy, PIN, login, own keys, and what the token does."""

import logging
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from hsm.capabilities import probe
from hsm.credentials import pin_from
from hsm.errors import HsmError, ModuleStuck
from hsm.hang import limit_calls, process_ending_after
from hsm.keys import KeyReference
from hsm.login import Login
from hsm.module import TokenAddress
from hsm.pin_latch import PinLatch
from hsm.token import Token, close
from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.hsm import HsmConfig
from tmsd.config.policy import Policy, load_policy
from tmsd.config.reserved_keys import CERTIFICATE_KEY, CHALLENGE_KEY, CHANNEL_KEY, RECEIPT_KEY
from tmsd.config.toml import ConfigError
from tmsd.vault.framing import encode
from tmsd.vault.message import LONGEST_TEXT
from tmsd.vault.messages import Reply
from tmsd.vault.worker_messages import Capabilities, Started, StartFailed
from tmsd.worker.context import Context
from tmsd.worker.generations import Generations
from tmsd.worker.keyring import Identities, KeyName, Keyring, PairName
from tmsd.worker.receipts import Receipts
from tmsd.worker.self_test import require_known_answers
from tmsd.worker.serving import serve

LOG = logging.getLogger(__name__)

_WORKER_ID_LENGTH = 8
_LOGOUT_SECONDS = 2.0


def run(config_file: Path, connection: socket.socket, *, for_appliance: bool = False) -> int:
    """Start, announce it and what the token does, answer until the front goes away.

    Returns:
        The exit status: 0 when the front closed the socket, 1 when the worker could not start
        or cannot go on.
    """
    try:
        begun = _begin(config_file, for_appliance=for_appliance)
    except (HsmError, ConfigError) as error:
        _announce(connection, StartFailed(reason=str(error)[:LONGEST_TEXT]))
        return 1
    with begun.ending():
        _announce(connection, begun.announcement)
        try:
            serve(connection, begun.generations, begun.receipts)
        except ModuleStuck as error:
            LOG.error("another worker has to go on: %s", error)
            return 1
    return 0


@dataclass(frozen=True, slots=True)
class _Begun:
    """A worker that is logged in and tested."""

    announcement: Started
    generations: Generations
    receipts: Receipts

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


def _begin(config_file: Path, *, for_appliance: bool) -> _Begun:
    config = load_daemon_config(config_file)
    policy = load_policy(config.policy.file)
    _warn_of_exceptions(policy)
    opening = _Opening(config, policy, for_appliance)
    context = opening.log_in({}, (), restart=False)
    worker = context.token.random(_WORKER_ID_LENGTH)
    announcement = Started(
        worker=worker,
        generation=1,
        token=config.hsm.token_label,
        policy_digest=policy.digest,
        capabilities=Capabilities(**asdict(probe(context.token))),
    )
    generations = Generations(context, partial(opening.log_in, restart=True))
    return _Begun(announcement, generations, Receipts(worker))


def _announce(connection: socket.socket, announcement: Started | StartFailed) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # the front went away meanwhile
        connection.sendall(encode(Reply(number=0, answer=announcement)))


@dataclass(frozen=True, slots=True)
class _Opening:
    """How a login becomes something to work with."""

    config: DaemonConfig
    policy: Policy
    for_appliance: bool

    def log_in(self, before: Identities, gone: Collection[KeyName], *, restart: bool) -> Context:
        """Log in, find the keys, and have the token give known answers.

        If that takes longer than a worker has for its start, this process ends. From the first
        login on it also ends over a single call that hangs, be it one of another login: a process
        that begins anew has the patience that a slow login needs.

        Args:
            before: keys that were found in earlier generations and must be there again.
            gone: those of them that need not.
            restart: whether the module has to be finalized first.

        Raises:
            HsmError: the token is not there, not as it was, or derives what is wrong.
        """
        with process_ending_after(self.config.worker.start_seconds):
            token = _login(self.config.hsm).log_in(restart=restart)
            limit_calls(self.config.worker.call_seconds)
            try:
                return self._tested(token, before, gone)
            except BaseException:
                # Whoever logs in next restarts the module; this login must not stand in its way.
                token.abandoned = True
                raise

    def _tested(self, token: Token, before: Identities, gone: Collection[KeyName]) -> Context:
        context = self._context(token)
        context.keyring.look_for(_references(self.policy))
        context.keyring.require(before, gone)
        right = require_known_answers(token, for_cards=bool(self.policy.key_sets))
        LOG.info("known answers are right: %s", ", ".join(right) or "none, as cards have none")
        return context

    def _context(self, token: Token) -> Context:
        keyring = Keyring(token)
        channel_key_version = keyring.latest_version(CHANNEL_KEY)
        # From here on the keyring holds a key, which tells a lost token from a missing key.
        keyring.service_mac(CHANNEL_KEY, channel_key_version, b"")
        limits = self.config.limits
        return Context(
            token=token,
            keyring=keyring,
            policy=self.policy,
            channel_key_version=channel_key_version,
            challenge_key_version=keyring.latest_version(CHALLENGE_KEY),
            receipt_key_version=keyring.latest_version(RECEIPT_KEY),
            certificate_key_version=(
                keyring.latest_version(CERTIFICATE_KEY) if self.policy.cas else None
            ),
            for_appliance=self.for_appliance,
            session_seconds=limits.session_seconds,
            challenge_seconds=limits.challenge_seconds,
        )


def _login(hsm: HsmConfig) -> Login:
    return Login(
        address=TokenAddress(hsm.module, hsm.token_label, hsm.token_serial, hsm.environment),
        read_pin=partial(pin_from, hsm.pin_file, hsm.pin_credential),
        pin_file=hsm.pin_file,
        latch=PinLatch(hsm.latch_file),
    )


def _references(policy: Policy) -> Iterator[KeyName]:
    """Yield the keys that a policy names."""
    for key_set in policy.key_sets.values():
        for label in dict.fromkeys(key_set.labels.values()):
            for version in key_set.versions:
                yield KeyReference(label, version)
    for key in policy.transport_keys.values():
        yield KeyReference(key.label, key.version)
    for ca in policy.cas.values():
        yield PairName(KeyReference(ca.label, ca.version))
        if ca.ocsp is not None:
            yield PairName(KeyReference(ca.ocsp.label, ca.ocsp.version))


def _warn_of_exceptions(policy: Policy) -> None:
    for key_set in policy.key_sets.values():
        if key_set.factory:
            LOG.warning("key set %s holds factory keys, which everybody knows", key_set.name)
        if key_set.undiversified:
            LOG.warning("key set %s is undiversified: all cards share its keys", key_set.name)
