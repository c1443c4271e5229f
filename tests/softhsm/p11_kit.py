"""SoftHSM behind p11-kit's server: an HSM that can be killed while its clients live on.

p11-kit 0.24's client hands on no mechanism that it does not know, among them AES-CMAC, those that
derive by encryption, and those that wrap. So service keys make their MACs in steps, and no card can
be served.
"""

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from hsm.module import TokenAddress
from tests.site.daemon import wait_until


class P11KitServer:
    """The server of one token, to be started and killed over and over.

    Args:
        directory: where its socket is made.
        token: the token behind it.
    """

    def __init__(self, directory: Path, token: TokenAddress) -> None:
        self._socket = directory / "p11-kit.socket"
        self._token = token
        self._process: subprocess.Popen[bytes] | None = None
        (client,) = Path("/usr/lib").glob("*/pkcs11/p11-kit-client.so")
        variables = {"P11_KIT_SERVER_ADDRESS": f"unix:path={self._socket}"}
        self.token = replace(token, module=client, environment=variables)
        """Where its clients find the token."""

    @property
    def pid(self) -> int:
        """The process that listens, whose children have the module loaded."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self._socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                *("p11-kit", "server", "--foreground", "--name", self._socket),
                *("--provider", self._token.module, f"pkcs11:token={quote(self._token.label)}"),
            ],
            env={**os.environ, **self._token.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self._socket.exists)

    def kill(self) -> None:
        """Kill it, and with it the processes that it has for its clients."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
