"""Starting a worker: configuration, policy, PIN, login, own keys, and what the token does."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from hsm.capabilities import probe
from hsm.credentials import pin_from
from hsm.errors import HsmError, PinRefused
from hsm.module import TokenAddress
from hsm.token import open_token
from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.policy import Policy, load_policy
from tmsd.config.reserved_keys import CHALLENGE_KEY, CHANNEL_KEY
from tmsd.config.toml import ConfigError
from tmsd.vault.framing import encode
from tmsd.vault.messages import LONGEST_TEXT, Capabilities, Reply, Started, StartFailed
from tmsd.worker.context import Context, now_ms
from tmsd.worker.keyring import Keyring
from tmsd.worker.serving import serve

LOG = logging.getLogger(__name__)

# Whatever else is wrong can be mended while the daemon tries again; this could lock the token.
_FINAL = PinRefused


def run(config_file: Path, connection: socket.socket) -> int:
    """Start, announce it and what the token does, answer until the front goes away.

    Returns:
        The exit status: 0 when the front closed the socket, 1 when the worker could not
        start or lost its token.
    """
    started = False
    try:
        config = load_daemon_config(config_file)
        with _logged_in(config) as context:
            announcement = Started(
                worker=context.token.random(8),
                generation=1,
                token=config.hsm.token_label,
                policy_digest=context.policy.digest,
                capabilities=Capabilities(**asdict(probe(context.token))),
            )
            connection.sendall(encode(Reply(number=0, answer=announcement)))
            started = True
            serve(connection, context)
    except (HsmError, ConfigError) as error:
        if not started:
            failure = StartFailed(reason=str(error)[:LONGEST_TEXT], final=isinstance(error, _FINAL))
            connection.sendall(encode(Reply(number=0, answer=failure)))
        return 1
    return 0


@contextmanager
def _logged_in(config: DaemonConfig) -> Iterator[Context]:
    policy = load_policy(config.policy.file)
    _warn_of_exceptions(policy)
    hsm = config.hsm
    address = TokenAddress(hsm.module, hsm.token_label, hsm.token_serial, hsm.environment)
    with open_token(address, pin_from(hsm.pin_file, hsm.pin_credential)) as token:
        keyring = Keyring(token)
        channel_key_version = keyring.latest_version(CHANNEL_KEY)
        # From here on the keyring holds a key, which tells a lost token from a missing key.
        keyring.service_mac(CHANNEL_KEY, channel_key_version, b"")
        yield Context(
            token=token,
            keyring=keyring,
            policy=policy,
            channel_key_version=channel_key_version,
            challenge_key_version=keyring.latest_version(CHALLENGE_KEY),
            session_seconds=config.limits.session_seconds,
            challenge_seconds=config.limits.challenge_seconds,
            started=now_ms(),
        )


def _warn_of_exceptions(policy: Policy) -> None:
    for key_set in policy.key_sets.values():
        if key_set.factory:
            LOG.warning("key set %s holds factory keys, which everybody knows", key_set.name)
        if key_set.undiversified:
            LOG.warning("key set %s is undiversified: all cards share its keys", key_set.name)
