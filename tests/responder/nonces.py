"""A worker for nonces with a token of its own, for the CA of the records."""

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from hsm.key_pairs import generate_key_pair
from hsm.keys import KeyReference
from hsm.module import TokenAddress
from hsm.public_keys import KeyPairAlgorithm
from hsm.secret import Secret
from hsm.token import open_token
from tests.ocsp.records import KEY, Records
from tests.responder import process
from tests.softhsm.tokens import USER_PIN, SoftHsm
from tests.systemd.handing_over import handing_over
from tests.x509.authority import pem
from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import load_policy
from tmsd.responder.nonces import Nonces
from tmsd.x509.public_keys import PublicKey

REPEATER = KeyReference("demo-nonces", 1)
POLICY = f"""{process.POLICY}
[cas.demo.ocsp]
certificate = "demo-ocsp.pem"
label = "demo-ocsp"

[cas.demo.ocsp.nonces]
certificate = "demo-nonces.pem"
label = "{REPEATER.label}"
"""
_NONCES = """
[ocsp.nonces]
socket = "n"
{settings}

[ocsp.nonces.hsm]
module = {module}
token_label = {label}
pin_file = "nonces-pin"
environment = {{ SOFTHSM2_CONF = {configuration} }}
"""


@dataclass(frozen=True, slots=True)
class NonceToken:
    """A token, and the public half of the one key pair in it."""

    address: TokenAddress
    public_key: PublicKey


def make_nonce_token(softhsm: SoftHsm) -> NonceToken:
    """Make a token with a key for nonces."""
    address = softhsm.make_token()
    with open_token(address, Secret(USER_PIN), writable=True) as token:
        pair = generate_key_pair(token, REPEATER, KeyPairAlgorithm.P256)
        return NonceToken(address, pair.public_key)


class NonceSite:
    """The files of a responder and of its worker for nonces, and the socket between them.

    Args:
        records: that the responder reads.
        directory: for the files.
        token: the worker's.
        settings: further lines of `[ocsp.nonces]`.
    """

    def __init__(
        self, records: Records, directory: Path, token: NonceToken, settings: str = ""
    ) -> None:
        self.records, self.directory = records, directory
        self.repeater = records.ca.issue("ocsp-signing", token.public_key)
        pem(self.repeater, directory / "demo-nonces.pem")
        pem(records.ca.issue("ocsp-signing", KEY.public_key()), directory / "demo-ocsp.pem")
        self.tables = _NONCES.format(
            settings=settings,
            module=json.dumps(str(token.address.module)),
            label=json.dumps(token.address.label),
            configuration=json.dumps(token.address.environment["SOFTHSM2_CONF"]),
        )
        pin = directory / "nonces-pin"
        pin.write_bytes(USER_PIN)
        pin.chmod(0o400)
        self.configuration = process.configured(
            records.ca, directory, 1, policy=POLICY, more=self.tables
        )
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.socket))
        self._listener.listen()

    @property
    def socket(self) -> Path:
        """Where the worker is reached."""
        return self.directory / "n"

    def close(self) -> None:
        """Close the socket."""
        self._listener.close()

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """Start a worker as systemd does when somebody connects."""
        program = [sys.executable, "-m", "tmsd.worker", "--config", str(self.configuration)]
        started = subprocess.Popen(
            [*handing_over(self._listener), *program, "--for-nonces"],
            stdin=subprocess.DEVNULL,
            pass_fds=[self._listener.fileno()],
        )
        try:
            yield started
        finally:
            started.kill()
            started.wait()

    @asynccontextmanager
    async def nonces(self) -> AsyncIterator[Nonces]:
        """Yield the responder's way to the worker, in this process."""

        config = load_daemon_config(self.configuration)
        assert config.ocsp.nonces is not None
        policy = load_policy(self.directory / "policy.toml")
        nonces = Nonces(config.ocsp.nonces, config.worker.start_seconds, policy)
        keeping = asyncio.create_task(nonces.keep())
        try:
            yield nonces
        finally:
            keeping.cancel()
            await asyncio.gather(keeping, return_exceptions=True)
