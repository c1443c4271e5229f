"""`tmsd ocsp` as a process of its own, over a database and the files that it needs."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from tests.demo.site import free_port
from tests.ocsp.records import DATABASE
from tests.responder.serving import HOST
from tests.site.daemon import STOP_SECONDS, wait_until
from tests.site.looking_inside import inside
from tests.x509.authority import Authority, pem

LOG = "responder.log"

_PROGRAM = Path(sys.executable).with_name("tmsd")
# What belongs to the front is named, and not there: the responder opens none of it.
_CONFIGURATION = """\
[api]
certificate = "absent.pem"
private_key = "absent.key"
caller_trust = "absent-too.pem"
[hsm]
module = "absent.so"
token_label = "absent"
pin_file = "absent-pin"
[audit]
file = "absent.jsonl"
[store]
{store}
[ocsp]
listen = "{host}:{port}"
"""
POLICY = """\
version = 1
[cas.demo]
certificate = "demo.pem"
"""


class Process:
    """A responder, started at once.

    Args:
        configuration: its tmsd.toml; its log goes beside it.
        port: where that has it listen.
    """

    def __init__(self, configuration: Path, port: int) -> None:
        self.port = port
        self._log = configuration.with_name(LOG)
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [_PROGRAM, "ocsp", "--config", configuration], stdout=log, stderr=log
            )

    def __enter__(self) -> Self:
        wait_until(lambda: "ready: " in self.log or self._process.poll() is not None)
        return self

    def __exit__(self, *_raised: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def opened_under(self, directory: Path) -> dict[str, int]:
        """Return the names of the files of a directory that it has open, and their access modes."""
        found = {}
        for descriptor in inside(self.pid, "fd").iterdir():
            file = descriptor.readlink()
            if file.is_relative_to(directory):
                told = inside(self.pid, f"fdinfo/{descriptor.name}").read_text()
                (flags,) = re.findall(r"(?m)^flags:\s*(\d+)$", told)
                found[file.name] = int(flags, 8) & os.O_ACCMODE
        return found

    def reload(self) -> None:
        """Have it read its policy anew."""
        self._process.send_signal(signal.SIGHUP)

    def wait_until_told(self, words: str) -> None:
        """Wait until it has written something."""
        wait_until(lambda: words in self.log)

    def stop(self) -> int:
        """Ask it to end, wait for it, and return its exit status."""
        self._process.terminate()
        return self.wait()

    def wait(self) -> int:
        """Wait for its end, and return its exit status."""
        return self._process.wait(STOP_SECONDS)


def configured(
    ca: Authority,
    directory: Path,
    port: int,
    *,
    policy: str = POLICY,
    store: str = f'file = "{DATABASE}"',
    more: str = "",
) -> Path:
    """Write the files of a responder, and return its tmsd.toml.

    Args:
        ca: whose certificate it has.
        directory: for its files.
        port: where it shall listen.
        policy: the text of policy.toml, which names the CA unless told.
        store: its table `[store]`; the database is in the directory unless told.
        more: tables of tmsd.toml after all others.
    """
    pem(ca.certificate, directory / "demo.pem")
    (directory / "policy.toml").write_text(policy)
    file = directory / "tmsd.toml"
    file.write_text(_CONFIGURATION.format(store=store, host=HOST, port=port) + more)
    return file


def over(ca: Authority, directory: Path, **settings: str) -> Process:
    """Start a responder; settings are those of `configured`."""
    port = free_port()
    return Process(configured(ca, directory, port, **settings), port)
