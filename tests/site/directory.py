"""A directory with everything that a daemon needs: configuration, certificates, a token."""

import json
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypedDict, Unpack

from hsm.attributes import SERVICE_MAC_KEY, Template
from hsm.hmac import filled_up
from hsm.importing import generate_key, import_key
from hsm.keys import AES_256, KeyReference
from hsm.module import TokenAddress
from hsm.pin_latch import PinLatch
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.site import authority
from tests.site.batches import BATCHES, Batch
from tests.site.changeovers import CHANGING
from tests.site.identities import SERVER, Credentials, credentials, write_identities
from tests.site.transport_keys import SHARED_KEYS
from tests.softhsm.tokens import SO_PIN, USER_PIN, SoftHsm, folder_of
from tmsd.ceremony.master_key import master_key
from tmsd.ceremony.transport_key import transport_key
from tmsd.ceremony.wanted_key import Purpose, WantedKey
from tmsd.config.policy import Policy, load_policy
from tmsd.config.reserved_keys import SERVICE_KEYS

HOST = "127.0.0.1"

_CONFIGURATION = """\
[api]
listen = "{host}:{port}"
certificate = "{server}.pem"
private_key = "{server}.key"
caller_trust = "ca.pem"

[hsm]
module = {module}
token_label = {token_label}
pin_file = "hsm-pin"
environment = {{ {environment} }}

[audit]
file = "{audit_directory}/audit.jsonl"

[store]
{store}

[worker]
{worker}

[limits]
{limits}
"""


class Settings(TypedDict, total=False):
    """How a site differs from others.

    Attributes:
        deadline_seconds: how long one request to the HSM may take; None as the daemon has it.
        workers: how many there are for fast requests; None as the daemon has it.
        slow_workers: how many more there are for slow ones; None as the daemon has it.
        worker_settings: further lines of the table [worker].
        store: the table [store].
        limits: the table [limits].
        of_callers: by name, lines about a caller in place of those that leave it unlimited.
        audit_directory: where the audit log is, from the site's directory.
        ca: whether it has a certificate authority.
        service_keys: what the daemon's own keys are made for.
    """

    deadline_seconds: float | None
    workers: int | None
    slow_workers: int | None
    worker_settings: str
    store: str
    limits: str
    of_callers: Mapping[str, str]
    audit_directory: str
    ca: bool
    service_keys: Template


_USUAL = Settings(
    deadline_seconds=5.0,
    workers=1,
    slow_workers=0,
    worker_settings="",
    store='file = "store.db"',
    limits="request_timeout_seconds = 1.0",
    of_callers={},
    audit_directory=".",
    ca=False,
    service_keys=SERVICE_MAC_KEY,
)


class Site:
    """A site that has its files and its token; a `Daemon` makes it run.

    Args:
        directory: empty; everything but the token goes into it.
        softhsm: where the token is made.
        batches: the key sets of the policy; without one, nobody has transport keys either.
        settings: those that are not as usual.
    """

    def __init__(
        self,
        directory: Path,
        softhsm: SoftHsm,
        *,
        batches: Iterable[Batch] = (*BATCHES, *CHANGING),
        **settings: Unpack[Settings],
    ) -> None:
        batches = tuple(batches)
        self.directory = directory
        self.configuration = directory / "tmsd.toml"
        self.policy = directory / "policy.toml"
        self.pin_file = directory / "hsm-pin"
        self.latch_file = directory / "hsm-pin.latch"
        self.token_directory = softhsm.token_directory
        self.token = softhsm.make_token()
        self._reserved = reserved_port()
        self.port: int = self._reserved.getsockname()[1]
        self._settings: Settings = {**_USUAL, **settings}
        self.audit_file = directory / self._settings["audit_directory"] / "audit.jsonl"
        has_ca = self._settings["ca"]
        may_have = authority.MAY_HAVE if has_ca else {}
        callers = write_identities(
            directory, self._settings["of_callers"], may_have, have_cards=bool(batches)
        )
        key_sets = "\n".join(batch.table for batch in batches)
        self._shared_keys = SHARED_KEYS if batches else ()
        transport_keys = "\n".join(shared.table for shared in self._shared_keys)
        blocked = authority.BLOCKED if has_ca else ""
        self.policy.write_text(f"{blocked}{callers}{key_sets}\n{transport_keys}")
        if has_ca:
            authority.copy_profiles(directory)
            authority.block_keys(directory)
            with self._opened_token() as token:
                authority.make_authority(directory, token)
            with self.policy.open("a") as policy:
                policy.write(authority.TABLE)
        self.write_pin(USER_PIN)
        self.write_configuration(self.token)
        self._batches = batches
        self.fill_token()

    def close(self) -> None:
        """Give the port back."""
        self._reserved.close()

    def credentials(self, name: str) -> Credentials:
        """Say where the files of somebody in identities.py are."""
        return credentials(self.directory, name)

    @property
    def token_folder(self) -> Path:
        """Where SoftHSM keeps the token."""
        return folder_of(self.token, self.token_directory)

    @contextmanager
    def token_taken_away(self) -> Iterator[Path]:
        """Move the token's folder away, and back; yield where it is meanwhile."""
        folder = self.token_folder
        away = folder.rename(self.directory / folder.name)
        try:
            yield away
        finally:
            away.rename(folder)

    def initialise_again(self) -> None:
        """Initialise the token anew, as another process; all of its keys are gone.

        Like everybody who starts the module it takes the lock of the latch: SoftHSM fails where
        two processes start it at one moment.
        """
        command = [
            *("softhsm2-util", "--init-token", "--token", self.token.label),
            *("--label", self.token.label, "--so-pin", SO_PIN.decode()),
            *("--pin", USER_PIN.decode()),
        ]
        with PinLatch(self.latch_file).locked():
            subprocess.run(
                command, env=dict(self.token.environment), check=True, capture_output=True
            )

    def write_configuration(self, token: TokenAddress) -> None:
        """Write tmsd.toml for a token, which need not be there."""
        # A TOML basic string has the escapes of JSON.
        environment = ", ".join(f"{k} = {json.dumps(v)}" for k, v in token.environment.items())
        self.configuration.write_text(
            _CONFIGURATION.format(
                host=HOST,
                port=self.port,
                server=SERVER,
                module=json.dumps(str(token.module)),
                token_label=json.dumps(token.label),
                environment=environment,
                worker=_worker_table(self._settings),
                store=self._settings["store"],
                audit_directory=self._settings["audit_directory"],
                limits=self._settings["limits"],
            )
        )

    def write_pin(self, pin: bytes) -> None:
        """Put a PIN into its file, right or wrong."""
        self.pin_file.unlink(missing_ok=True)
        self.pin_file.touch(0o600)
        self.pin_file.write_bytes(pin)
        self.pin_file.chmod(0o400)

    def import_master_key(self, batch: Batch, version: int) -> None:
        """Put a batch's master key into the token, as another process than the daemon's."""
        policy = load_policy(self.policy)
        with self._opened_token() as token:
            _import_master_key(token, policy, batch, version)

    def fill_token(self, service_key: bytes | None = None) -> None:
        """Put all keys into an empty token; the daemon's own are random unless one is given."""
        policy = load_policy(self.policy)
        template = self._settings["service_keys"]
        with self._opened_token() as token:
            for reference in (KeyReference(label, 1) for label in SERVICE_KEYS):
                if service_key is None:
                    generate_key(token, reference, AES_256, template)
                else:
                    value = Secret(service_key)
                    import_key(token, reference, value, AES_256, template)
            for batch in self._batches:
                for version in batch.imported:
                    _import_master_key(token, policy, batch, version)
            for shared in self._shared_keys:
                _import(token, transport_key(policy, shared.name), shared.value)

    def _opened_token(self) -> AbstractContextManager[Token]:
        return open_token(self.token, Secret(USER_PIN), writable=True)


def _worker_table(settings: Settings) -> str:
    """Return the lines of [worker]; what is not set is left out, and so as the daemon has it."""
    lines = {
        "count": settings["workers"],
        "slow_count": settings["slow_workers"],
        "deadline_seconds": settings["deadline_seconds"],
        "slow_deadline_seconds": settings["deadline_seconds"],
    }
    written = [f"{name} = {value}" for name, value in lines.items() if value is not None]
    return "\n".join([*written, settings["worker_settings"]])


def _import_master_key(token: Token, policy: Policy, batch: Batch, version: int) -> None:
    _import(token, master_key(policy, batch.key_set, version), batch.master_of(version))


def _import(token: Token, wanted: WantedKey, value: bytes) -> None:
    secret = Secret(value)
    if wanted.purpose is Purpose.HMAC_MASTER:
        secret = filled_up(secret)
    (shape,) = [shape for shape in wanted.token_shapes if shape.length == len(secret)]
    import_key(token, wanted.reference, secret, shape, wanted.template)


def reserved_port() -> socket.socket:
    """Return a socket that keeps a port free for the daemon.

    It is bound and does not listen: nobody else is given the port, and who sets
    SO_REUSEADDR, as asyncio's servers do, can still listen on it.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind((HOST, 0))
    return reserved
