"""nginx in a folder: started, told to read its configuration anew, and ended with its block."""

import signal
import subprocess
from pathlib import Path
from typing import Self

from tests.site.daemon import wait_until

PROGRAM = "/usr/sbin/nginx"

# Paths that are relative start at the folder. What is logged at `info` is why clients are refused.
_CONFIGURATION = """\
daemon off;
worker_processes 1;
pid nginx.pid;
error_log nginx.log info;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
{http}
}}
"""


class Nginx:
    """A master and its one worker, which is another user's where the master is root's.

    Args:
        folder: for its files.
        http: what its block `http` has further.
    """

    def __init__(self, folder: Path, http: str) -> None:
        self._log = folder / "nginx.log"
        (folder / "nginx.conf").write_text(_CONFIGURATION.format(http=http))
        command = [PROGRAM, "-p", str(folder), "-c", "nginx.conf", "-e", "nginx.log"]
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", *command], stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> Self:
        wait_until(lambda: "start worker process " in self.log or self._process.poll() is not None)
        assert self._process.poll() is None, self.log
        return self

    def __exit__(self, *_raised: object) -> None:
        self._process.terminate()
        self._process.wait()

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text() if self._log.exists() else ""

    def reload(self) -> None:
        """Have it read its configuration anew, and wait until no other answers any more."""
        ended = "exited with code 0"
        before = self.log.count(ended)
        self._process.send_signal(signal.SIGHUP)
        wait_until(lambda: self.log.count(ended) > before)
