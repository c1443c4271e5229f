"""A PostgreSQL server of one test process: made, started, stopped, killed.

It listens on a Unix socket in a folder that it does not share, and nowhere else unless told. It
does not wait for the disk (fsync = off), which loses nothing as long as the machine itself stays
up, also when it is killed.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import psycopg
from psycopg.sql import SQL, Identifier, Literal

from tests.site.identities import Credentials

_ACCOUNT = "postgres"  # the server refuses to run as root
_USER = "tmsd"
_PATIENCE = 60.0

# Room for a database, and for little in it; the server alone sees this disk.
_SMALL_DISK = "small"
_MOUNT = f'mount -t tmpfs -o size=16m,mode=0700,uid="$0",gid="$1" none {_SMALL_DISK}'
_MOUNTING = ("sh", "-c", f'{_MOUNT}; shift; exec "$@"')


class Cluster:
    """A server's data and its process, which ends with this one.

    Args:
        folder: where its data and its socket are.

    Attributes:
        port: that its socket is named by.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 5432
        self._numbers = count()
        self._process: subprocess.Popen[bytes] | None = None
        data = ("--pgdata", str(folder / "data"))
        how = ("--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
        subprocess.run(
            [*_account(), str(_programs() / "initdb"), *data, *how, f"--username={_USER}"],
            check=True,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def start(self, through: Sequence[str] = (), **settings: str) -> None:
        """Start the server, and wait until it answers.

        Args:
            through: a command that executes it.
            settings: as postgresql.conf has them, beside those of every test.
        """
        all_settings = {"listen_addresses": "", "fsync": "off", **settings}
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *through,
                    *_account("--pdeathsig", "KILL"),
                    str(_programs() / "postgres"),
                    *("-D", str(self.folder / "data"), "-k", str(self.folder)),
                    *(f"--{name}={value}" for name, value in all_settings.items()),
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                self.connect("postgres").close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def start_over_network(self, port: int, files: Credentials, authority: Path) -> None:
        """Start the server at a TCP port of this machine too, for those with a certificate alone.

        Args:
            port: of 127.0.0.1.
            files: its own certificate, and the key.
            authority: the CA of its clients; a client is the user that its common name says.
        """
        data = self.folder / "data"
        taken = [
            shutil.copy(file, data) for file in (files.certificate, files.private_key, authority)
        ]
        if os.geteuid() == 0:
            for file in taken:
                shutil.chown(file, _ACCOUNT, _ACCOUNT)
        rules = "local all all trust\nhostssl all all 127.0.0.1/32 cert\n"
        (data / "pg_hba.conf").write_text(rules)
        certificate, key, ca = (str(file) for file in taken)
        self.port = port
        self.start(
            listen_addresses="127.0.0.1",
            port=str(port),
            ssl="on",
            ssl_cert_file=certificate,
            ssl_key_file=key,
            ssl_ca_file=ca,
        )

    def stop(self) -> None:
        """Stop the server: connections are closed, transactions broken off."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill the server with SIGKILL, and its processes, which would go on until they notice."""
        if self._process is None:
            return
        server = self._process.pid
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        self._end(signal.SIGKILL)
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)

    def _end(self, by: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(by)
            self._process.wait()
            self._process = None

    def start_with_small_disk(self) -> None:
        """Start the server with a disk of 16 MB for `make_small_database`."""
        disk = self.folder / _SMALL_DISK
        disk.mkdir()
        user, group = os.geteuid(), os.getegid()
        if user == 0:
            account = pwd.getpwnam(_ACCOUNT)
            owner = (str(account.pw_uid), str(account.pw_gid))
            self.start(("unshare", "--mount", *_MOUNTING, *owner))
        else:
            again = ("unshare", "--user", f"--map-user={user}", f"--map-group={group}")
            namespaces = ("unshare", "--user", "--map-root-user", "--mount")
            self.start((*namespaces, *_MOUNTING, "0", "0", *again))
        with self.connect("postgres") as connection:
            place = Literal(str(disk))
            connection.execute(SQL("CREATE TABLESPACE small LOCATION {}").format(place))

    def demand_passwords_of(self, user: str) -> None:
        """Ask a user for a password from now on."""
        rules = self.folder / "data" / "pg_hba.conf"
        rules.write_text(f"local all {user} scram-sha-256\n{rules.read_text()}")
        with self.connect("postgres") as connection:
            connection.execute("SELECT pg_reload_conf()")

    def make_database(self, tablespace: str = "pg_default") -> str:
        """Return the name of a new, empty database."""
        name = f"test{next(self._numbers)}"
        making = SQL("CREATE DATABASE {} TABLESPACE {}")
        with self.connect("postgres") as connection:
            connection.execute(making.format(Identifier(name), Identifier(tablespace)))
        return name

    def make_small_database(self) -> str:
        """Return the name of a new, empty database on the small disk."""
        return self.make_database("small")

    def url(self, database: str, user: str = _USER) -> str:
        """Return how a database is reached."""
        return f"postgresql://{user}@/{database}?host={self.folder}&port={self.port}"

    def connect(self, database: str) -> psycopg.Connection:
        """Return a connection of somebody who looks at a database, or meddles with it."""
        return psycopg.connect(self.url(database), autocommit=True)


@contextmanager
def made_cluster() -> Iterator[Cluster]:
    """Make a server; on leaving, it has ended, and its data is gone."""
    # Not in $TMPDIR, which its owner alone may enter.
    with tempfile.TemporaryDirectory(prefix="tmsd-pg.", dir="/tmp") as name:
        if os.geteuid() == 0:
            shutil.chown(name, _ACCOUNT, _ACCOUNT)
        cluster = Cluster(Path(name))
        try:
            yield cluster
        finally:
            cluster.stop()


def _account(*options: str) -> list[str]:
    """Return the command that starts a program as a user whom the server accepts."""
    if os.geteuid() != 0:
        return ["setpriv", *options] if options else []
    user = pwd.getpwnam(_ACCOUNT)
    ids = (f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--init-groups")
    return ["setpriv", *ids, *options]


def _programs() -> Path:
    """Return Debian's folder of the newest server."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parts[-2]))
    if not found:
        raise FileNotFoundError("the Debian package postgresql is missing")
    return found[-1]
