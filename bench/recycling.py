"""Whether a daemon's memory stays within bounds: `python -m bench.recycling`.

SoftHSM keeps some memory of each key that was derived, until its process ends. A daemon with one
worker opens 200,000 SCP03 sessions, or `--sessions` of them, and renews the worker after every
50,000 keys. The figures are how much memory the front and the workers have along the way, in MiB;
no request may fail.
"""

import secrets
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from bench.session import asked_of, http_request
from tests.site.batches import AES128, OWN_CHALLENGE
from tests.site.channels import SESSIONS, initialize_update, session_request
from tests.site.daemon import Daemon
from tests.site.directory import Site
from tests.site.idle_connections import resident_bytes
from tests.softhsm.tokens import SoftHsm

_CARDS = 256
_CONNECTIONS = 16
_AT_ONCE = 5_000
_RECYCLED = 50_000


@click.command()
@click.option("--sessions", default=200_000, show_default=True)
def command(sessions: int) -> None:
    """Open so many sessions, and print what memory there was."""
    with TemporaryDirectory() as name:
        directory = Path(name, "site")
        directory.mkdir()
        site = Site(
            directory,
            SoftHsm(Path(name)),
            batches=[AES128, OWN_CHALLENGE],
            worker_settings=f"recycle_derivations = {_RECYCLED}",
        )
        with closing(site), Daemon(site) as daemon:
            daemon.wait_until_ready()
            requests = list(_requests())
            for opened in range(_AT_ONCE, sessions + 1, _AT_ONCE):
                asked_of(site, _CONNECTIONS, (requests * (_AT_ONCE // _CARDS + 1))[:_AT_ONCE])
                worn_out = daemon.log.count("is worn out")
                workers = sum(map(resident_bytes, daemon.workers))
                click.echo(
                    f"{opened} sessions, {worn_out} workers worn out:"
                    f" front {resident_bytes(daemon.pid) >> 20},"
                    f" workers {workers >> 20}"
                )
            daemon.stop()


def _requests() -> Iterator[str]:
    """Yield what opens a session for a card each, as often as it is asked."""
    for _ in range(_CARDS):
        challenge = secrets.token_bytes(8)
        card = {
            "initialize_update": initialize_update(OWN_CHALLENGE.card(), challenge).hex(),
            "host_challenge": challenge.hex(),
            "key_set": OWN_CHALLENGE.key_set,
        }
        yield http_request(SESSIONS, session_request(card))


if __name__ == "__main__":
    command()
