"""What a CRL costs by the number of its entries: `python -m bench.crl`.

A worker's own function builds CRLs of 10,000 and of 100,000 entries, and with `--million` of
1,000,000, and has SoftHSM sign them with a P-256 key. Seconds are of this process's processor
time, megabytes what it held at most; the ratio is that of the seconds for one entry to those of
the smallest CRL's: 1 says that time grows as the number does. Of the largest, one of 16 partitions
is what a relying party fetches instead.
"""

import resource
import secrets
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from hsm.attributes import SERVICE_MAC_KEY
from hsm.importing import generate_key
from hsm.keys import AES_256, KeyReference
from hsm.secret import Secret
from hsm.token import open_token
from tests.softhsm.tokens import USER_PIN, SoftHsm
from tests.worker.authority import made_authority
from tmsd.clock import now
from tmsd.config.callers import APPLIANCE
from tmsd.config.reserved_keys import SERVICE_KEYS
from tmsd.vault.certificate_messages import SignCrl
from tmsd.vault.revoked_entries import RevokedEntry, pack
from tmsd.worker import publishing
from tmsd.worker.context import Context
from tmsd.worker.keyring import Keyring
from tmsd.x509.distribution import WHOLE

_NUMBERS = (10_000, 100_000)
_MILLION = 1_000_000
_PARTITIONS = 16


@click.command()
@click.option("--million", is_flag=True, help="Measure a CRL of a million entries as well.")
def command(million: bool) -> None:
    """Measure, and print the figures."""
    _measure((*_NUMBERS, _MILLION) if million else _NUMBERS)


def main() -> None:
    """Measure what does not take long."""
    _measure(_NUMBERS)


def _measure(numbers: tuple[int, ...]) -> None:
    with TemporaryDirectory() as name:
        address = SoftHsm(Path(name)).make_token()
        with open_token(address, Secret(USER_PIN), writable=True) as token:
            for label in SERVICE_KEYS:
                generate_key(token, KeyReference(label, 1), AES_256, SERVICE_MAC_KEY)
            directory = Path(name, "ca")
            directory.mkdir()
            context = made_authority(directory, token, Keyring(token))
            smallest = None
            for number in numbers:
                seconds, length = _signed(context, number)
                smallest = smallest or seconds / number
                click.echo(
                    f"CRL of {number:,} entries: {seconds:.2f} s, {length / 1e6:.1f} MB of DER,"
                    f" {_most_megabytes():.0f} MB of memory at most,"
                    f" ratio for one entry {seconds / number / smallest:.2f}"
                )
            part_seconds, part_length = _signed(context, number // _PARTITIONS, partition=1)
            click.echo(
                f"one of {_PARTITIONS} partitions of the last: {part_seconds:.2f} s,"
                f" {part_length / 1e6:.2f} MB of DER, 1/{seconds / part_seconds:.0f} of the time"
                f" and 1/{length / part_length:.0f} of the length"
            )


def _signed(context: Context, number: int, partition: int = WHOLE) -> tuple[float, int]:
    """Return how many seconds a CRL took, and how many bytes it has."""
    revoked_at = int(now().timestamp()) - 3600
    entries = pack(
        RevokedEntry(secrets.token_bytes(16), revoked_at, "keyCompromise") for _ in range(number)
    )
    begun = time.process_time()
    crl = publishing.sign_crl(context, SignCrl(APPLIANCE, "demo", partition, 1, None, entries)).crl
    return time.process_time() - begun, len(crl)


def _most_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    command()
