"""What a certificate costs over the API beside its signature: `python -m bench.issuing`.

Callers have certificates issued by a site that runs, each on record in the store and the audit
log, on the disk, before it leaves. That takes turns with bare signatures by the same P-256 key
in SoftHSM, one after another in this process; the figure is certificates a second, divided by
signatures a second of the same run.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import click
from pkcs11 import Mechanism

from hsm.key_pairs import find_key_pair
from hsm.keys import KeyReference
from hsm.secret import Secret
from hsm.token import open_token
from tests.site.authority import CA
from tests.site.batches import AES128
from tests.site.caller import Caller
from tests.site.certificates import issue, wanted
from tests.site.daemon import Daemon
from tests.site.directory import Site
from tests.site.identities import TPS
from tests.softhsm.tokens import USER_PIN, SoftHsm

_ROUNDS = 3
_CERTIFICATES = 120
_CALLERS = (1, 8)
_SECONDS = 1.0


def main() -> None:
    """Measure, and print the figures."""
    with TemporaryDirectory() as name:
        softhsm = SoftHsm(Path(name))
        directory = Path(name, "site")
        directory.mkdir()
        site = Site(directory, softhsm, batches=[AES128], ca=True, slow_workers=1)
        with (
            closing(site),
            Daemon(site) as daemon,
            open_token(site.token, Secret(USER_PIN)) as token,
        ):
            daemon.wait_until_ready()
            private = find_key_pair(token, KeyReference(CA, 1)).private

            def sign() -> object:
                return private.sign(bytes(32), mechanism=Mechanism.ECDSA)

            for callers in _CALLERS:
                _compare(site, callers, sign)
            daemon.stop()


def _compare(site: Site, callers: int, sign: Callable[[], object]) -> None:
    certificates = signatures = 0.0
    for _ in range(_ROUNDS):
        certificates += _issued_per_second(site, callers) / _ROUNDS
        signatures += _signed_per_second(sign) / _ROUNDS
    click.echo(
        f"{callers} at once: {certificates:.0f} certificates a second over the API,"
        f" {signatures:.0f} bare signatures, ratio {certificates / signatures:.3f}"
    )


def _issued_per_second(site: Site, callers: int) -> float:
    bodies = [wanted() for _ in range(_CERTIFICATES)]

    def ask(number: int) -> Iterator[int]:
        with Caller(site, TPS) as caller:
            for body in bodies[number::callers]:
                yield issue(caller, body).status

    with ThreadPoolExecutor(callers) as threads:
        begun = time.perf_counter()
        statuses = list(threads.map(lambda number: set(ask(number)), range(callers)))
        taken = time.perf_counter() - begun
    if set().union(*statuses) != {200}:
        raise SystemExit(f"certificates were refused: {statuses}")
    return _CERTIFICATES / taken


def _signed_per_second(sign: Callable[[], object]) -> float:
    count, begun = 0, time.perf_counter()
    while time.perf_counter() < begun + _SECONDS:
        sign()
        count += 1
    return count / (time.perf_counter() - begun)


if __name__ == "__main__":
    main()
