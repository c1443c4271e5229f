"""What an OCSP answer costs, against a file of the same size: `python -m bench.ocsp`.

`tmsd ocsp`, which looks each answer up in its database, and one worker of Debian's nginx, which
serves a file, are asked in turns by wrk over kept connections of this machine. The figure is how
many answers a second the first gives for one that the second gives in the same run.
"""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import click

from tests.demo.site import free_port
from tests.ocsp.records import DATABASE, Records, recording
from tests.responder.nginx import Nginx
from tests.responder.process import over
from tests.responder.serving import HOST, Served, in_path, request_about
from tmsd.store.sqlite import SqliteFile

_ROUNDS = 5
_CERTIFICATES = 1000
_WRK = ("wrk", "--threads", "1", "--connections", "16", "--duration", "3s")
_NGINX = """\
    sendfile on;
    keepalive_requests 1000000000;
    default_type application/ocsp-response;
    server {{ listen {host}:{port}; root {folder}/files; }}
"""


def main() -> None:
    """Measure, and print the figures."""
    if shutil.which("wrk") is None:
        click.echo("OCSP answers: wrk is not installed")
        return
    with TemporaryDirectory() as name:
        asyncio.run(_measure(Path(name)))


async def _measure(folder: Path) -> None:
    async with recording(SqliteFile(folder / DATABASE)) as records:
        asked = await _issue(records)
        with over(records.ca, folder) as process:
            target = f"/ocsp/{in_path(asked)}"
            answer = (await Served(process.port, records).get(target)).body
            with _nginx(folder, answer) as port:
                await asyncio.to_thread(
                    _compare,
                    f"http://{HOST}:{process.port}{target}",
                    f"http://{HOST}:{port}/answer",
                    len(answer),
                )


async def _issue(records: Records) -> bytes:
    """Have answers of many certificates on record, and return a request about one of them."""
    certificates = [await records.issue_and_answer() for _ in range(_CERTIFICATES)]
    return request_about(records.ca, certificates[_CERTIFICATES // 2])


def _compare(of_responder: str, of_nginx: str, length: int) -> None:
    told: list[float] = []
    served: list[float] = []
    for _ in range(_ROUNDS):
        told.append(_per_second(of_responder))
        served.append(_per_second(of_nginx))
    ratios = [ours / theirs for ours, theirs in zip(told, served, strict=True)]
    click.echo(
        f"OCSP answers of {length} bytes: {median(told):.0f} a second,"
        f" {median(served):.0f} of nginx as a file, ratio {median(ratios):.3f}"
        f" ({min(ratios):.3f} to {max(ratios):.3f})"
    )


def _per_second(url: str) -> float:
    done = subprocess.run([*_WRK, url], capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise SystemExit(done.stdout)
    (rate,) = re.findall(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    return float(rate)


@contextmanager
def _nginx(folder: Path, answer: bytes) -> Iterator[int]:
    """Serve a file until left; yield the port."""
    (folder / "files").mkdir()
    (folder / "files" / "answer").write_bytes(answer)
    folder.chmod(0o755)  # its worker is another user
    port = free_port()
    with Nginx(folder, _NGINX.format(folder=folder, host=HOST, port=port)):
        yield port


if __name__ == "__main__":
    main()
