"""The directory that tmsctl makes, the programs run on it, and tmsd serving it."""

import asyncio
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

_PROGRAMS = Path(sys.executable).parent
_ROLES = 'roles = ["tps"]\n'
_READY = "ready: https://"
_READY_SECONDS = 20.0
_STOP_SECONDS = 10.0
_PROGRAM_SECONDS = 30.0


class SiteError(Exception):
    """The site cannot be built or served; the text is the program's own."""


@dataclass(frozen=True, slots=True)
class Completed:
    """A program that has ended: its command line, exit code, and what it printed."""

    command: tuple[str, ...]
    exit_code: int
    output: str

    def require_success(self) -> None:
        """Raise `SiteError` unless it was successful."""
        if self.exit_code != 0:
            raise SiteError(
                f"{' '.join(self.command)} ended with exit code {self.exit_code}:\n{self.output}"
            )


@dataclass(frozen=True, slots=True)
class Site:
    """A directory with tmsd.toml, policy.toml, certificates, a token and an audit log.

    Attributes:
        directory: it.
        port: where tmsd listens, at 127.0.0.1.
    """

    directory: Path
    port: int

    @property
    def configuration(self) -> Path:
        """tmsd.toml."""
        return self.directory / "tmsd.toml"

    @property
    def policy(self) -> Path:
        """policy.toml."""
        return self.directory / "policy.toml"

    @property
    def audit_log(self) -> Path:
        """The hash-chained record of what was done."""
        return self.directory / "audit" / "tmsd.jsonl"

    @property
    def log(self) -> Path:
        """What tmsd says while it runs."""
        return self.directory / "tmsd.log"

    @property
    def pin_files(self) -> tuple[Path, Path]:
        """The PIN of the token's user, and that of its security officer."""
        credentials = self.directory / "credentials"
        return credentials / "hsm-pin", credentials / "hsm-so-pin"

    @property
    def url(self) -> str:
        """The API's address."""
        return f"https://127.0.0.1:{self.port}"

    def tls(self, name: str) -> Path:
        """Return a file of the site's certificates and keys."""
        return self.directory / "tls" / name

    def extend_policy(self, *, of_caller: str, tables: str) -> None:
        """Add a line to the caller of policy.toml, and tables to its end.

        Raises:
            SiteError: the policy is not as tmsctl makes it, with one caller.
        """
        policy = self.policy.read_text()
        if policy.count(_ROLES) != 1:
            raise SiteError(f"{self.policy} has not one caller with the role tps")
        policy = policy.replace(_ROLES, f"{_ROLES}{of_caller}\n")
        self.policy.write_text(f"{policy}\n{tables}")

    def tmsctl(self, *arguments: str, typed: str | None = None) -> Completed:
        """Run tmsctl from the directory above the site, which makes for short paths.

        Args:
            arguments: its command line; nothing secret.
            typed: its standard input.

        Raises:
            SiteError: it does not end.
        """
        try:
            process = subprocess.run(
                [_PROGRAMS / "tmsctl", *arguments],
                cwd=self.directory.parent,
                input=typed or "",
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=_PROGRAM_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise SiteError(f"tmsctl {' '.join(arguments)} does not end") from error
        return Completed(("tmsctl", *arguments), process.returncode, process.stdout)

    def with_wrong_pin(self) -> "Site":
        """Return a second site beside this one: the same token, and a PIN that is not its."""
        other = Site(self.directory.with_name("wrong-pin"), self.port)
        for folder in ("credentials", "audit"):
            (other.directory / folder).mkdir(parents=True)
        for folder in ("tls", "cas", "profiles"):
            shutil.copytree(self.directory / folder, other.directory / folder)
        for file in (self.configuration, self.policy):
            shutil.copy(file, other.directory)
        pin_file = other.pin_files[0]
        pin_file.write_text(secrets.token_hex(16))
        pin_file.chmod(0o400)
        return other


class Daemon:
    """tmsd, started on a site; it may have ended again."""

    def __init__(self, site: Site) -> None:
        self.command = ("tmsd", "--config", f"{site.directory.name}/tmsd.toml")
        self._log = site.log
        with site.log.open("wb") as log:
            self._process = subprocess.Popen(
                [_PROGRAMS / "tmsd", *self.command[1:]],
                cwd=site.directory.parent,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    async def is_ready(self) -> bool:
        """Wait until it serves; False where it ended instead.

        Raises:
            SiteError: neither happens.
        """
        await self._until(lambda: _READY in self.log or self._has_ended())
        return not self._has_ended()

    async def exit_code(self) -> int:
        """Wait for its end.

        Raises:
            SiteError: it does not end.
        """
        await self._until(self._has_ended)
        return self._process.returncode

    def ask_to_stop(self) -> None:
        """Send SIGTERM, as systemd does."""
        self._process.terminate()

    def end(self) -> None:
        """Make sure that it runs no more."""
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _has_ended(self) -> bool:
        return self._process.poll() is not None

    async def _until(self, reached: Callable[[], bool]) -> None:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                while not reached():  # noqa: ASYNC110  a log file has no event
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise SiteError(f"tmsd hangs; its log:\n{self.log}") from None


@asynccontextmanager
async def started(site: Site) -> AsyncIterator[Daemon]:
    """Start tmsd, and make sure that it has ended afterwards."""
    daemon = Daemon(site)
    try:
        yield daemon
    finally:
        daemon.end()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on.

    It is not of the range that the kernel hands out to clients, as those come and go.
    """
    while True:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as trial:
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
